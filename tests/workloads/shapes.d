// SPDX-License-Identifier: Apache-2.0
// shapes-d SECONDS: a template and virtual methods in D, for the names and lines in its profile.
module geometry.shapes;

import core.time, std.conv;

struct Grid(T)
{
    T[64] cells;

    pragma(inline, false) T fill(T seed)
    {
        T x = seed;
        foreach (i; 0 .. 100_000)
        {
            x = x * 1664525 + 1013904223;
            cells[i & 63] ^= x; // the line where the time goes, or its neighbour
        }
        return x;
    }
}

class Shape
{
    Grid!uint grid;

    pragma(inline, false) uint area(uint seed)
    {
        return grid.fill(seed) + 1;
    }
}

class Round : Shape
{
    pragma(inline, false) override uint area(uint seed)
    {
        return super.area(seed + 1) + 1;
    }
}

int main(string[] args)
{
    auto end = MonoTime.currTime + args[1].to!int.seconds;
    Shape shape = new Round;
    uint sum = 0;

    while (MonoTime.currTime < end)
        sum += shape.area(sum);
    return sum == 1;
}
