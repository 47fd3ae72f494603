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

/* The same in both forms; NULL = the name stays. */
static const struct {
	const char *mangled, *expected;
} names[] = {
	/* Clones of C functions are called as the compiler calls them. */
	{ "foo.part.0", NULL },
	{ "foo.cold", NULL },
	{ "foo.llvm.1234567", "foo" },
	{ "foo.lto_priv.0", "foo" },
	{ "foo.lto_priv.12.cold", "foo.cold" },
	{ "foo.isra.0.lto_priv.1", "foo.isra.0" },
	{ "foo.llvm.example", NULL },
	{ ".llvm.1", NULL },
	{ "example.com/go.llvm.9x.F", NULL },
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
	{ "_Dmain", "D main" },
	{ "_D3fooQbQbQbQbQbQbQbQbQbQbQb", NULL },
	{ "_DD", NULL },
	{ "_Date", NULL },
	{ "_ada_hello", "hello" },
	{ "ada__text_io__put_line__2", "ada.text_io.put_line" },
	{ "system__img_int__image_integer@plt", "system.img_int.image_integer@plt" },
	{ "ada__tags__inner__5.1234", "ada.tags.inner" },
	{ "ada__Strange", NULL },
	{ "ring__shapes__area.10", "ring.shapes.area" },
	{ "ring__shapes__area__2.0", "ring.shapes.area" },
	{ "main__loop.cold", NULL },
	{ "main__loop.part.0", NULL },
	{ "main_loop.0", NULL },
	{ "__main__loop.0", NULL },
	{ "g_main__loop", NULL }, /* C has such names too */
	{ "camlStdlib__List__iter_261", "Stdlib.List.iter" },
	{ "camlStdlib__List.iter_261", "Stdlib.List.iter" }, /* 5.1 */
	{ "camlStdlib__$5e$5e_444", "Stdlib.^^" },
	{ "camlCamlinternalFormat__k$27_3451", "CamlinternalFormat.k'" },
	{ "camlTree__fun_632", "Tree.fun_632" },
	{ "camlTree__not_fun_632", "Tree.not_fun" },
	{ "camlTree__x__84", "Tree.x_" },
	{ "camlTree__entry", "Tree.entry" },
	{ "camlTree___$ff$1_2", "Tree._$ff$1" },
	{ "camlTree__iter_2@plt", "Tree.iter@plt" },
	{ "camlTree", NULL },
	{ "caml_alloc__small", NULL },
	{ "__things_MOD_twice", "things::twice" },
	{ "__things_MOD_twice.constprop.0", "things::twice [clone .constprop.0]" },
	{ "__my_things_2_MOD___copy", "my_things_2::__copy" },
	{ "__things_MOD_", NULL },
	{ "___MOD_x", NULL },
	{ "__MOD_x", NULL },
	{ "MAIN__", NULL },
	{ "$s4main3fooyyF", NULL }, /* Swift */
	{ "main", NULL },
	{ "_start", NULL },
	{ "_Z", NULL },
	{ "_ZN", NULL },
	{ "_R", NULL },
	{ "_ZN3foo", NULL },
	{ "", NULL },
};

static const struct {
	const char *mangled, *templates, *full;
} forms[] = {
	{ "_ZN3foo3barEiPKc", "foo::bar", "foo::bar(int, char const*)" },
	{ "_ZSt4sortIPiEvT_S1_", "std::sort<int*>", "void std::sort<int*>(int*, int*)" },
	{ "_ZNKSt8functionIFvvEEclEv", "std::function<void ()>::operator()",
	  "std::function<void ()>::operator()() const" },
	{ "_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()",
	  "main::{lambda()#1}::operator()() const" },
	{ "_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo", "(anonymous namespace)::foo()" },
	{ "_Znwm", "operator new", "operator new(unsigned long)" },
	{ "_ZN3fooC2Ev.cold", "foo::foo [clone .cold]", "foo::foo() [clone .cold]" },
	{ "_ZL3foov.isra.0.part.1", "foo [clone .isra.0.part.1]", "foo() [clone .isra.0.part.1]" },
	{ "_ZL3foov.llvm.1234567", "foo", "foo()" },
	{ "_ZL3foov.lto_priv.0", "foo", "foo()" },
	{ "_ZL3foov.lto_priv.3.cold", "foo [clone .cold]", "foo() [clone .cold]" },
	{ "_ZL3foov.constprop.0.llvm.7@plt", "foo [clone .constprop.0]@plt",
	  "foo() [clone .constprop.0]@plt" },
	{ "_ZL3foov.llvm.x", "foo [clone .llvm.x]", "foo() [clone .llvm.x]" },
	{ "_Znwm@plt", "operator new@plt", "operator new(unsigned long)@plt" },
	{ "_Znwm@@GLIBCXX_3.4", "operator new", "operator new(unsigned long)" },
	{ "_D4main3fooFiAyaZi", "main.foo", "main.foo(int, immutable(char)[])" },
	{ "_D3std5stdio4File5writeMFxAyaZv", "std.stdio.File.write",
	  "std.stdio.File.write(const(immutable(char)[]))" },
	{ "_D8demangle__T4testTaZQiFaZv", "demangle.test!(char).test",
	  "demangle.test!(char).test(char)" },
	{ "_D8demangle4testMxFNaNbZv", "demangle.test", "demangle.test() const" },
	{ "_D4main3fooFiZi.part.0", "main.foo [clone .part.0]", "main.foo(int) [clone .part.0]" },
};

static void assert_name(const char *mangled, enum demangle_form form, const char *expected)
{
	unsigned int leaks = 0;
	char text[256];
	bool done = demangle(mangled, form, text, sizeof(text), &leaks);

	assert_string_equal(done ? text : mangled, expected ? expected : mangled);
	assert_int_equal(done, expected != NULL);
}

static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_name(names[i].mangled, DEMANGLE_TEMPLATES, names[i].expected);
		assert_name(names[i].mangled, DEMANGLE_FULL, names[i].expected);
		assert_name(names[i].mangled, DEMANGLE_NONE, NULL);
	}
}

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		assert_name(forms[i].mangled, DEMANGLE_TEMPLATES, forms[i].templates);
		assert_name(forms[i].mangled, DEMANGLE_FULL, forms[i].full);
		assert_name(forms[i].mangled, DEMANGLE_NONE, NULL);
	}
	assert_int_equal(demangle_form_of("templates"), DEMANGLE_TEMPLATES);
	assert_int_equal(demangle_form_of("full"), DEMANGLE_FULL);
	assert_int_equal(demangle_form_of("none"), DEMANGLE_NONE);
}

static void test_cut(void **state)
{
	unsigned int leaks = 0;
	char text[12];

	(void)state;
	assert_true(
		demangle("_ZN10abcdefghij3barEv", DEMANGLE_TEMPLATES, text, sizeof(text), &leaks));
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
	assert_true(demangle(mangled, DEMANGLE_TEMPLATES, text, sizeof(text), &leaks));
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
	demangle(mangled, DEMANGLE_TEMPLATES, text, sizeof(text),
		 &leaks); /* returns: that is the test */
}

/* D: functions in types of functions, and references to what has references. */
static void test_nested_d(void **state)
{
	char mangled[DEMANGLE_INPUT_MAX + 1] = "_D1a";
	unsigned int leaks = 0;
	size_t n = strlen(mangled);
	char text[64];

	(void)state;
	while (n + 8 < sizeof(mangled))
		n += (size_t)sprintf(mangled + n, "FPFC1b");
	assert_false(demangle(mangled, DEMANGLE_FULL, text, sizeof(text), &leaks));
	n = (size_t)sprintf(mangled, "_D1a__T1bTHiiTHQeQgTHQfQh");
	for (int i = 0; i < 3; i++)
		n += (size_t)sprintf(mangled + n, "THQfQh");
	strcpy(mangled + n, "ZQzFZv");
	demangle(mangled, DEMANGLE_FULL, text, sizeof(text), &leaks); /* both return */
}

/* As many pointers as there is room for: no end of the stack. */
static void test_deep_d(void **state)
{
	char mangled[DEMANGLE_INPUT_MAX + 1], text[NAME_CACHE_NAME_MAX];
	unsigned int leaks = 0;

	(void)state;
	memset(mangled, 'P', sizeof(mangled));
	memcpy(mangled, "_D1aF", 5);
	strcpy(mangled + sizeof(mangled) - 4, "iZv");
	assert_true(demangle(mangled, DEMANGLE_FULL, text, sizeof(text), &leaks));
	assert_memory_equal(text, "a(int*****", 10);
	assert_true(demangle(mangled, DEMANGLE_TEMPLATES, text, sizeof(text), &leaks));
	assert_string_equal(text, "a");
}

static void test_long_input(void **state)
{
	char mangled[4096], text[64];
	unsigned int leaks = 0;

	(void)state;
	memset(mangled, 'P', sizeof(mangled));
	memcpy(mangled, "_Z1f", 4);
	strcpy(mangled + sizeof(mangled) - 2, "i");
	assert_false(demangle(mangled, DEMANGLE_TEMPLATES, text, sizeof(text), &leaks));
}

/* What looks like a Punycode identifier: a crate's number; one indeed; and one too many. */
static void test_punycode(void **state)
{
	static const char crate[] = "_RNvXNtCsksOCxMGKu6A_7numbers5sievemNtB2_5Churn5churn";
	static const char indeed[] = "_RNvCs1234_7mycrateu8g_del_5aa";
	unsigned int leaks = 0, many = DEMANGLE_MAX_LEAKS;
	char text[256];

	(void)state;
	assert_true(demangle(crate, DEMANGLE_TEMPLATES, text, sizeof(text), &leaks));
	assert_string_equal(text, "<u32 as numbers::sieve::Churn>::churn");
	demangle(indeed, DEMANGLE_TEMPLATES, text, sizeof(text),
		 &leaks); /* well-formed or not: no harm done */
	assert_int_equal(leaks, 0);
	assert_false(demangle(crate, DEMANGLE_TEMPLATES, text, sizeof(text), &many));
}

static void test_cache(void **state)
{
	struct name_cache *c = name_cache_new(DEMANGLE_TEMPLATES);
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

/* Only what is a version at the end of a symbol is cut, and nothing of names from elsewhere. */
static void test_versions(void **state)
{
	static const char *const symbols[][2] = {
		{ "foo@@V_1", "foo" },
		{ "foo@V-1+x", "foo" },
		{ "a@b@V", "a@b" },
		{ "foo@plt", "foo@plt" },
		{ "@V", "@V" },
		{ "@@V", "@@V" },
		{ "foo@", "foo@" },
		{ "foo@2", "foo@2" },
		{ "JS:* /n/@babel/core/index.js:12:15", "JS:* /n/@babel/core/index.js:12:15" },
	};
	struct name_cache *c = name_cache_new(DEMANGLE_TEMPLATES);

	(void)state;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		assert_string_equal(name_cache_symbol(c, symbols[i][0]).name, symbols[i][1]);
	assert_string_equal(name_cache_jit(c, "JS:~a@b").name, "JS:~a@b");
	assert_string_equal(name_cache_jit(c, "_ZN3foo3barEv").name, "foo::bar");
	name_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	      cmocka_unit_test(test_forms),
		cmocka_unit_test(test_cut),	      cmocka_unit_test(test_doubling_cpp),
		cmocka_unit_test(test_doubling_rust), cmocka_unit_test(test_nested_d),
		cmocka_unit_test(test_deep_d),	      cmocka_unit_test(test_long_input),
		cmocka_unit_test(test_punycode),      cmocka_unit_test(test_cache),
		cmocka_unit_test(test_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
