// SPDX-License-Identifier: Apache-2.0
// chain-d SECONDS: D main -> outer -> middle (5 times) -> leaf, each named as in C.
import core.time : MonoTime, msecs;
import core.volatile : volatileLoad;
import std.conv : to;

extern (C):
pragma(inline, false):

// What the compiler cannot see through.
uint opaque(uint x)
{
    return volatileLoad(&x);
}

uint d_leaf(uint rounds)
{
    uint x = rounds;
    foreach (i; 0 .. rounds)
        x = opaque(x * 1_664_525 + 1_013_904_223);
    return x;
}

uint d_middle(int depth)
{
    const x = depth > 1 ? d_middle(depth - 1) : d_leaf(50_000);
    return opaque(x) + depth;
}

uint d_outer(int depth)
{
    return opaque(d_middle(depth)) ^ 1;
}

extern (D) void main(string[] arguments)
{
    const seconds = arguments.length > 1 ? arguments[1].to!double : 5.0;
    const until = MonoTime.currTime + msecs(cast(long)(seconds * 1000));
    while (MonoTime.currTime < until)
        opaque(d_outer(5));
}
