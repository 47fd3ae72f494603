/* SPDX-License-Identifier: Apache-2.0 */
/* The library of plt: empty(), and call_all(), which calls 64 others through its own PLT. */
void empty(void), call_all(void);

#define EIGHT(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7)
#define ALL(X)                                                                                     \
	EIGHT(X, 0)                                                                                \
	EIGHT(X, 1) EIGHT(X, 2) EIGHT(X, 3) EIGHT(X, 4) EIGHT(X, 5) EIGHT(X, 6) EIGHT(X, 7)
#define DEFINE(n)                                                                                  \
	void one_of_many_with_a_long_name_##n(void);                                               \
	__attribute__((noinline)) void one_of_many_with_a_long_name_##n(void)                      \
	{                                                                                          \
		__asm__ volatile("" ::: "memory");                                                 \
	}
#define CALL(n) one_of_many_with_a_long_name_##n();

ALL(DEFINE)

void empty(void)
{
}

void call_all(void)
{
	ALL(CALL)
	__asm__ volatile("" ::: "memory");
}
