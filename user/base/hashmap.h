/* SPDX-License-Identifier: BSD-2-Clause */
/* A map from 64-bit keys to pointers, which it does not own. Open addressing, grows by itself up to a bound. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hashmap;

int hashmap_new(size_t max_entries, struct hashmap **ret);
struct hashmap *hashmap_free(struct hashmap *m); /* values stay with the caller; NULL in, NULL out */
/* 0, -EEXIST, -ENOSPC at the bound, -ENOMEM. value must not be NULL. */
int hashmap_add(struct hashmap *m, uint64_t key, void *value);
/* Adds or replaces. 0, -ENOSPC, -ENOMEM. */
int hashmap_set(struct hashmap *m, uint64_t key, void *value);
void *hashmap_find(const struct hashmap *m, uint64_t key); /* NULL when absent */
void *hashmap_remove(struct hashmap *m, uint64_t key);     /* the value it had, or NULL */
size_t hashmap_cnt(const struct hashmap *m);
/* Iterates: start with *pos = 0; 1 with *key and *value set, 0 at the end. Do not add or remove while iterating. */
int hashmap_next(const struct hashmap *m, size_t *pos, uint64_t *key, void **value);

uint64_t hash_bytes(const void *p, size_t len, uint64_t seed); /* FNV-1a, 64 bits */
