/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "symbolize/demangle.h"
#include "symbolize/name_cache.h"

static const struct {
	const char *mangled, *expected;
} names[] = {
	{ "_ZN3foo3barEiPKc", "foo::bar" },
	{ "_ZSt4sortIPiEvT_S1_", "std::sort<int*>" },
	{ "_ZNKSt8functionIFvvEEclEv", "std::function<void ()>::operator()" },
	{ "_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()" },
	{ "_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo" },
	{ "_Znwm", "operator new" },
	{ "_ZN3fooC2Ev.cold", "foo::foo [clone .cold]" },
	{ "_ZL3foov.isra.0.part.1", "foo [clone .isra.0.part.1]" },
	{ "_ZL3foov.llvm.1234567", "foo" },
	{ "_Znwm@plt", "operator new@plt" },
	{ "_Znwm@@GLIBCXX_3.4", "operator new" },
	{ "_ZN4core3fmt5Write9write_str17h0123456789abcdefE", "core::fmt::Write::write_str" },
	{ "_ZN4core3fmt5Write9write_str17h0123456789abcdefE.llvm.77",
	  "core::fmt::Write::write_str" },
	{ "_ZN66_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$"
	  "4drop17h0123456789abcdefE",
	  "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop" },
	{ "_RNvCs1234_7mycrate3foo", "mycrate::foo" },
	{ "_RINvNtCs1_4core3ptr13drop_in_placeNtC3foo3BarE",
	  "core::ptr::drop_in_place::<foo::Bar>" },
	{ "_RINvNtC0tC3foo3.plt", NULL }, /* prints nothing, from nowhere */
	{ "main", NULL },
	{ "_start", NULL },
	{ "_Z", NULL },
	{ "_ZN", NULL },
	{ "_R", NULL },
	{ "_ZN3foo", NULL },
	{ "", NULL },
};

static void test_names(void **state)
{
	unsigned int leaks = 0;
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool done = demangle(names[i].mangled, text, sizeof(text), &leaks);

		assert_string_equal(done ? text : names[i].mangled,
				    names[i].expected ? names[i].expected : names[i].mangled);
		assert_int_equal(done, names[i].expected != NULL);
	}
}

static void test_cut(void **state)
{
	unsigned int leaks = 0;
	char text[12];

	(void)state;
	assert_true(demangle("_ZN10abcdefghij3barEv", text, sizeof(text), &leaks));
	assert_string_equal(text, "abcdefgh...");
}

/* Each argument names the one before it twice: 2^40 words if it were written out. */
static void test_doubling_cpp(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char mangled[1024] = "_Z1fI1AIiiE", text[NAME_CACHE_NAME_MAX];
	unsigned int leaks = 0;
	size_t n = strlen(mangled);

	(void)state;
	for (int i = 0; i < 33; i++)
		n += (size_t)sprintf(mangled + n, "S0_IS%c_S%c_E", digits[i + 1], digits[i + 1]);
	strcpy(mangled + n, "Evv");
	assert_true(demangle(mangled, text, sizeof(text), &leaks));
	assert_int_equal(strlen(text), sizeof(text) - 1);
	assert_string_equal(text + strlen(text) - 3, "...");
	assert_memory_equal(text, "f<A<int, int>, A<A<int, int>, A<int, int> >", 43);
}

/* The same with back references of Rust's v0 form. */
static void test_doubling_rust(void **state)
{
	static const char digits[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char mangled[1024] = "_RINvC1a1fThhE", text[NAME_CACHE_NAME_MAX];
	unsigned int leaks = 0;
	size_t n = strlen(mangled), last = 8;

	(void)state;
	for (int i = 0; i < 60; i++) {
		size_t value = last - 1, here = n - 2;
		char back[8];

		if (value < 62)
			sprintf(back, "%c", digits[value]);
		else
			sprintf(back, "%c%c", digits[value / 62], digits[value % 62]);
		n += (size_t)sprintf(mangled + n, "TB%s_B%s_E", back, back);
		last = here;
	}
	strcpy(mangled + n, "E");
	demangle(mangled, text, sizeof(text), &leaks); /* returns: that is the test */
}

static void test_long_input(void **state)
{
	char mangled[4096], text[64];
	unsigned int leaks = 0;

	(void)state;
	memset(mangled, 'P', sizeof(mangled));
	memcpy(mangled, "_Z1f", 4);
	strcpy(mangled + sizeof(mangled) - 2, "i");
	assert_false(demangle(mangled, text, sizeof(text), &leaks));
}

/* What looks like a Punycode identifier: a crate's number; one indeed; and one too many. */
static void test_punycode(void **state)
{
	static const char crate[] = "_RNvXNtCsksOCxMGKu6A_7numbers5sievemNtB2_5Churn5churn";
	static const char indeed[] = "_RNvCs1234_7mycrateu8g_del_5aa";
	unsigned int leaks = 0, many = DEMANGLE_MAX_LEAKS;
	char text[256];

	(void)state;
	assert_true(demangle(crate, text, sizeof(text), &leaks));
	assert_string_equal(text, "<u32 as numbers::sieve::Churn>::churn");
	demangle(indeed, text, sizeof(text), &leaks); /* well-formed or not: no harm done */
	assert_int_equal(leaks, 0);
	assert_false(demangle(crate, text, sizeof(text), &many));
}

static void test_cache(void **state)
{
	struct name_cache *c = name_cache_new();
	struct cached_name a = name_cache_symbol(c, "_ZN3foo3barEv");
	struct cached_name b = name_cache_symbol(c, "_ZN3foo3barEv");
	struct cached_name plain = name_cache_symbol(c, "main");
	struct cached_name version = name_cache_symbol(c, "stat@GLIBC_2.33");
	struct cached_name plt = name_cache_symbol(c, "free@plt");
	struct cached_name made_up = name_cache_text(c, "_Znwm");
	size_t memory = name_cache_memory(c);

	(void)state;
	assert_string_equal(a.name, "foo::bar");
	assert_string_equal(a.system_name, "_ZN3foo3barEv");
	assert_ptr_equal(a.name, b.name);
	assert_ptr_equal(plain.name, plain.system_name);
	assert_string_equal(plain.name, "main");
	assert_string_equal(version.name, "stat");
	assert_string_equal(version.system_name, "stat");
	assert_string_equal(plt.name, "free@plt");
	assert_string_equal(made_up.name, "_Znwm");
	name_cache_clear(c);
	assert_true(name_cache_memory(c) < memory);
	name_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	     cmocka_unit_test(test_cut),
		cmocka_unit_test(test_doubling_cpp), cmocka_unit_test(test_doubling_rust),
		cmocka_unit_test(test_long_input),   cmocka_unit_test(test_punycode),
		cmocka_unit_test(test_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
