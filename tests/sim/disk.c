/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"

void disk_init(struct disk *disk)
{
	*disk = (struct disk){.room = 256, .bytes_room = 64 * 1024};
	disk->records = malloc(disk->room * sizeof(*disk->records));
	disk->bytes = malloc(disk->bytes_room);
	must(disk->records != NULL);
	must(disk->bytes != NULL);
}

void disk_deinit(struct disk *disk)
{
	free(disk->records);
	free(disk->bytes);
	*disk = (struct disk){0};
}

static void make_room(struct disk *disk, size_t size)
{
	if (disk->count == disk->room) {
		disk->room *= 2;
		disk->records = realloc(disk->records, disk->room * sizeof(*disk->records));
		must(disk->records != NULL);
	}
	while (disk->size + size > disk->bytes_room) {
		disk->bytes_room *= 2;
		disk->bytes = realloc(disk->bytes, disk->bytes_room);
		must(disk->bytes != NULL);
	}
}

bool disk_append(struct disk *disk, uint64_t number, struct slice bytes)
{
	if (disk->run_first == 0) {
		disk->run_first = number;
	}
	if (number == 0 || number - disk->run_first != disk->count - disk->run_base) {
		return false;
	}
	make_room(disk, bytes.size);
	disk->records[disk->count++] =
		(struct disk_record){.offset = disk->size, .size = bytes.size};
	if (bytes.size != 0) {
		memcpy(disk->bytes + disk->size, bytes.data, bytes.size);
	}
	disk->size += bytes.size;
	return true;
}

void disk_give_word(struct disk *disk, const struct disk_word *word)
{
	if (disk->count != 0) {
		disk->records[disk->count - 1].word = *word;
	}
}

bool disk_begin_write(struct disk *disk)
{
	if (disk->writing != 0 || disk->durable == disk->count) {
		return false;
	}
	disk->writing = disk->count;
	disk->writes++;
	return true;
}

void disk_end_write(struct disk *disk)
{
	must(disk->writing != 0);
	disk->durable = disk->writing;
	disk->writing = 0;
}

uint64_t disk_durable_number(const struct disk *disk)
{
	if (disk->durable <= disk->run_base) {
		return 0;
	}
	return disk->run_first + (disk->durable - disk->run_base) - 1;
}

void disk_crash(struct disk *disk, struct prng *prng)
{
	const size_t kept =
		disk->durable + (size_t)prng_below(prng, disk->count - disk->durable + 1);

	if (kept < disk->count) {
		disk->torn++;
		disk->lost += disk->count - kept;
		disk->size = disk->records[kept].offset;
		disk->count = kept;
	}
	disk->durable = disk->count;
	disk->writing = 0;
}

void disk_run(struct disk *disk)
{
	disk->run_base = disk->count;
	disk->run_first = 0;
}

struct slice disk_record(const struct disk *disk, size_t i)
{
	must(i < disk->count);
	return slice_make(disk->bytes + disk->records[i].offset, disk->records[i].size);
}

struct disk_word disk_word(const struct disk *disk)
{
	for (size_t i = disk->durable; i > 0; i--) {
		if (disk->records[i - 1].word.is_given) {
			return disk->records[i - 1].word;
		}
	}
	return (struct disk_word){0};
}
