/* SPDX-License-Identifier: Apache-2.0 */
/* shapes SECONDS: C++ names with namespaces, templates and overloads. */
#include "burn.h"

namespace geometry
{
template <typename T> class Grid
{
      public:
	__attribute__((noinline)) void fill(T value, unsigned rounds);
	T last{};
};

template <typename T> void Grid<T>::fill(T value, unsigned rounds)
{
	burn(rounds);
	last = value;
}

__attribute__((noinline)) void paint(Grid<double> &grid, double seconds)
{
	double end = now_seconds() + seconds;

	while (now_seconds() < end)
		grid.fill(end, 1000000);
}
} /* namespace geometry */

int main(int argc, char **argv)
{
	geometry::Grid<double> grid;

	geometry::paint(grid, seconds_argument(argc, argv, 1, 5));
	print_usage();
	return 0;
}
