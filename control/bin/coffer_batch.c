/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/crc32c.h"

enum {
	ROOM_FIRST = 64
};

/* NULL: no memory. */
static struct change *add(struct batch *batch, const char *path)
{
	struct change *changes = batch->changes;
	const size_t room = batch->room != 0 ? 2 * batch->room : ROOM_FIRST;

	if (batch->count == batch->room) {
		changes = realloc(changes, room * sizeof(*changes));
		if (changes == NULL) {
			return NULL;
		}
		batch->changes = changes;
		batch->room = room;
	}
	changes += batch->count;
	*changes = (struct change){.path = strdup(path)};
	if (changes->path == NULL) {
		return NULL;
	}
	batch->count++;
	return changes;
}

int batch_set(struct batch *batch, const char *path, int64_t revision, const void *value,
              size_t size)
{
	struct change *change = add(batch, path);
	int r;

	if (change == NULL) {
		return -ENOMEM;
	}
	r = folder_stage(batch->folder, value, size, &change->stage);
	if (r < 0) {
		return r;
	}
	change->is_set = true;
	change->revision = revision;
	change->look.size = size;
	change->look.crc = crc32c(0, slice_make(value, size));
	return 0;
}

int batch_remove(struct batch *batch, const char *path)
{
	return add(batch, path) != NULL ? 0 : -ENOMEM;
}

/* --- applying ----------------------------------------------------------------------------- */

/*
 * Makes a file ours, if nothing stands in its place, or the same bytes. A directory may go before
 * its turn comes, so that it is in the way is found out then.
 */
static int claim(struct batch *batch, struct change *change)
{
	struct ledger_file *file = ledger_find(batch->ledger, change->path);
	struct folder_look look;
	int r;

	if (file != NULL) {
		return 0;
	}
	r = folder_look(batch->folder, change->path, &look);
	if (r == -ELOOP ||
	    (r == 0 && (look.size != change->look.size || look.crc != change->look.crc))) {
		change->is_passed = true;
		return 0;
	}
	if (r < 0 && r != -ENOENT && !folder_is_in_the_way(r)) {
		return r;
	}
	file = ledger_own(batch->ledger, change->path);
	if (file == NULL) {
		return -ENOMEM;
	}
	file->is_new = r != 0;
	return 0;
}

static int put(struct batch *batch, struct change *change, struct ledger_file *file)
{
	const int r = folder_put(batch->folder, change->stage, change->path, file->is_new);

	if (folder_is_in_the_way(r)) {
		change->is_passed = true;
		file->is_gone = file->is_new;
		return 0;
	}
	if (r < 0) {
		return r;
	}
	change->is_set = false; /* nothing is ready any more */
	file->revision = change->revision;
	file->size = change->look.size;
	file->crc = change->look.crc;
	file->is_verified = true;
	file->is_new = false;
	file->is_gone = false;
	batch->written++;
	return 0;
}

static int take_away(struct batch *batch, struct change *change, struct ledger_file *file)
{
	const int r = file->is_new ? 0 : folder_remove(batch->folder, change->path);

	if (r < 0 && !folder_is_in_the_way(r)) {
		return r;
	}
	change->is_passed = r < 0;
	file->is_new = true;
	file->is_gone = true;
	batch->removed += r == 0;
	return 0;
}

static int make(struct batch *batch, struct change *change)
{
	struct ledger_file *file = ledger_find(batch->ledger, change->path);
	int r = 0;

	if (file == NULL || change->is_passed) {
		return 0; /* not ours */
	}
	r = change->is_set ? put(batch, change, file) : take_away(batch, change, file);
	change->is_made = r == 0 && !change->is_passed;
	return r;
}

/* Notes what became of each, and gives back what was made ready and not used. */
static void note(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct change *change = &batch->changes[i];
		struct ledger_file *file = ledger_find(batch->ledger, change->path);

		batch->passed += change->is_passed;
		if (file != NULL) {
			ledger_note(batch->ledger, file);
		}
		if (change->is_set) {
			folder_drop(batch->folder, change->stage);
			change->is_set = false;
		}
	}
}

int batch_apply(struct batch *batch, int64_t revision, const char **ret_path)
{
	int r = 0;

	*ret_path = FOLDER_OWN;
	for (size_t i = 0; i < batch->count && r == 0; i++) {
		if (batch->changes[i].is_set) {
			r = claim(batch, &batch->changes[i]);
		}
	}
	if (r == 0 && batch->count != 0) {
		r = ledger_sync(batch->ledger);
	}
	for (size_t i = 0; i < batch->count && r == 0; i++) {
		r = make(batch, &batch->changes[i]);
		*ret_path = r < 0 ? batch->changes[i].path : *ret_path;
	}
	if (r < 0) {
		return r;
	}
	note(batch);
	ledger_note_at(batch->ledger, revision);
	return ledger_sync(batch->ledger);
}

void batch_clear(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->changes[i].is_set) {
			folder_drop(batch->folder, batch->changes[i].stage);
		}
		free(batch->changes[i].path);
	}
	free(batch->changes);
	*batch = (struct batch){.folder = batch->folder, .ledger = batch->ledger};
}
