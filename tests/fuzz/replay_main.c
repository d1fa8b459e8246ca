/*
 * Runs a fuzz target over the files named and over every file of the folders named, no libFuzzer:
 * the corpus is a regression test under any compiler. A folder that does not exist holds nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The input is copied to memory of exactly its size, so that a sanitizer sees the first byte read
 * beyond its end. */
static int replay_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(size ? size : 1);
	int r = -EIO;

	if (file && data && fread(data, 1, size, file) == size) {
		LLVMFuzzerTestOneInput(data, size);
		r = 0;
	} else {
		fprintf(stderr, "%s: cannot be read\n", path);
	}
	free(data);
	if (file)
		fclose(file);
	return r;
}

static int replay_path(const char *path, unsigned *files)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	(*files)++;
	return replay_file(path, (size_t)st.st_size);
}

static int replay_folder(const char *folder, unsigned *files)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char path[4096];
	int r = 0;

	if (!dir)
		return replay_path(folder, files);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (replay_path(path, files) < 0)
			r = -EIO;
	}
	closedir(dir);
	return r;
}

int main(int argc, char **argv)
{
	unsigned files = 0;
	int r = 0;

	for (int i = 1; i < argc; i++)
		if (replay_folder(argv[i], &files) < 0)
			r = -EIO;
	/* the empty input is always worth a try, and what an empty corpus leaves to test */
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	fprintf(stderr, "%u files\n", files);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
