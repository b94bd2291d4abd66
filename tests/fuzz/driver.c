/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands in for libFuzzer where clang's runtime is not installed: the same entry points and options, without coverage
 * as a guide. Inputs are mutated from the last few and from nothing. `fuzz_NAME -max_total_time=60` or `fuzz_NAME
 * FILE`. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SZ (1u << 17)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static uint64_t state = 88172645463325252ull;
static const char *artifacts = "";
static uint8_t input[MAX_SZ];
static size_t input_sz;

static uint64_t random_next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t erase(uint8_t *data, size_t size)
{
	size_t at = random_next() % size, n = 1 + random_next() % 64;

	if (n > size - at)
		n = size - at;
	memmove(data + at, data + at + n, size - at - n);
	return size - n;
}

static size_t duplicate(uint8_t *data, size_t size, size_t max)
{
	size_t from = random_next() % size, to = random_next() % size, n = 1 + random_next() % 256;

	if (n > size - from)
		n = size - from;
	if (n > max - size)
		return size;
	memmove(data + to + n, data + to, size - to);
	memmove(data + to, data + (from < size - n ? from : 0), n);
	return size + n;
}

static void set_number(uint8_t *data, size_t size)
{
	static const uint64_t values[] = {0,     1,     2,          8,          16,         255,  256,
					  65535, 65536, 0x7fffffff, 0xffffffff, 1ull << 62, ~0ull};
	size_t widths[] = {1, 2, 4, 8}, width = widths[random_next() % 4];

	if (width <= size)
		memcpy(data + random_next() % (size - width + 1), &values[random_next() % 13], width);
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
	for (uint64_t n = 1 + random_next() % 4; n && size; n--) {
		switch (random_next() % 8) {
		case 0:
			size = erase(data, size);
			break;
		case 1:
			size = duplicate(data, size, max);
			break;
		case 2:
		case 3:
			data[random_next() % size] ^= (uint8_t)(1u << (random_next() % 8));
			break;
		case 4:
			data[random_next() % size] = (uint8_t)random_next();
			break;
		default:
			set_number(data, size);
		}
	}
	return size;
}

/* Called by the sanitizer when it ends us. */
void __asan_on_error(void);
void __asan_on_error(void)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%scrash-input", artifacts);
	f = fopen(path, "w");
	if (!f)
		return;
	fwrite(input, 1, input_sz, f);
	fclose(f);
	fprintf(stderr, "input: %s\n", path);
}

static int run_file(const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f) {
		perror(path);
		return 1;
	}
	input_sz = fread(input, 1, sizeof(input), f);
	fclose(f);
	return LLVMFuzzerTestOneInput(input, input_sz);
}

static unsigned long run_for(time_t seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long runs = 0;

	for (; runs % 64 || time(NULL) < end; runs++) {
		if (random_next() % 32 == 0)
			input_sz = 0;
		input_sz = LLVMFuzzerCustomMutator(input, input_sz, sizeof(input), (unsigned int)random_next());
		LLVMFuzzerTestOneInput(input, input_sz);
	}
	return runs;
}

int main(int argc, char **argv)
{
	time_t seconds = 0;

	for (int i = 1; i < argc; i++) {
		if (sscanf(argv[i], "-max_total_time=%ld", &seconds) == 1)
			continue;
		if (!strncmp(argv[i], "-artifact_prefix=", 17))
			artifacts = argv[i] + 17;
		else if (argv[i][0] != '-' && run_file(argv[i]))
			return 1;
	}
	if (seconds)
		printf("Done %lu runs in %ld second(s)\n", run_for(seconds), (long)seconds);
	return 0;
}
