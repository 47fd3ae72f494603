/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a mangled name: in each form, and as the cache hands it out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/name_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[DEMANGLE_INPUT_MAX + 2], text[NAME_CACHE_NAME_MAX], small[8];
	unsigned int no_leaks = DEMANGLE_MAX_LEAKS; /* LeakSanitizer would see them */
	struct name_cache *cache = name_cache_new(DEMANGLE_NONE);
	struct cached_name names;

	if (size >= sizeof(name))
		size = sizeof(name) - 1;
	memcpy(name, data, size);
	name[size] = '\0';
	for (int form = DEMANGLE_TEMPLATES; form <= DEMANGLE_NONE; form++) {
		if (demangle(name, (enum demangle_form)form, text, sizeof(text), &no_leaks))
			require(strlen(text) < sizeof(text) && form != DEMANGLE_NONE);
		demangle(name, (enum demangle_form)form, small, sizeof(small), &no_leaks);
	}
	names = name_cache_symbol(cache, name);
	require(names.name == names.system_name);
	name_cache_free(cache);
	return 0;
}
