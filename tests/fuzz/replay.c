/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - plays a corpus through a fuzz target when there is no libFuzzer
 *
 * Every file of the folder is played whole, cut short at each of 64 places, and with 256 single
 * bit flips spread over it, so that a small corpus already walks the refusals. A corpus without a
 * file is a failure: the target would never run.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of its own, so that a sanitizer sees a read behind the end. */
static void play(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size);

	if (copy == NULL) {
		abort();
	}
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void play_variants(uint8_t *data, size_t size)
{
	play(data, size);
	for (size_t i = 0; i < 64; i++) {
		play(data, size * i / 64);
	}
	for (size_t i = 0; i < 256 && size != 0; i++) {
		const size_t bit = i * (size * 8) / 256;

		data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		play(data, size);
		data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

static int play_file(const char *folder, const char *name)
{
	enum {
		SIZE_MAX_READ = 1 << 20
	};
	char path[4096];
	uint8_t *data;
	size_t size;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (file == NULL) {
		(void)fprintf(stderr, "%s: cannot be read\n", path);
		return 1;
	}
	data = malloc(SIZE_MAX_READ);
	if (data == NULL) {
		abort();
	}
	size = fread(data, 1, SIZE_MAX_READ, file);
	(void)fclose(file);
	play_variants(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	const struct dirent *entry;
	unsigned played = 0;
	DIR *folder;

	folder = argc == 2 ? opendir(argv[1]) : NULL;
	if (folder == NULL) {
		(void)fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] != '.') {
			if (play_file(argv[1], entry->d_name) != 0) {
				return 1;
			}
			played++;
		}
	}
	(void)closedir(folder);
	(void)printf("%u inputs played\n", played);
	return played == 0 ? 1 : 0;
}
