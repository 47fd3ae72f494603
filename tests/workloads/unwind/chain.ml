(* SPDX-License-Identifier: Apache-2.0 *)
(* chain-ocaml SECONDS: main -> outer -> middle (5 times) -> leaf, which is ended by an exception
   each time, and allocates: OCaml's rules are written by its compiler. *)
exception Done of int

let[@inline never] leaf rounds =
  let x = ref rounds in
  for i = 1 to rounds do
    x := (Sys.opaque_identity !x * 1664525) + 1013904223 + i
  done;
  raise (Done !x)

let[@inline never] rec middle depth =
  let x = if depth > 1 then middle (depth - 1) else try leaf 50000 with Done x -> x in
  Sys.opaque_identity (x + depth)

let[@inline never] outer depth = Sys.opaque_identity (middle depth) lxor 1

let[@inline never] run seconds =
  let until = Unix.gettimeofday () +. seconds in
  let x = ref 0 in
  while Unix.gettimeofday () < until do
    x := !x + outer 5
  done;
  Sys.opaque_identity !x

let () = ignore (run (if Array.length Sys.argv > 1 then float_of_string Sys.argv.(1) else 5.0))
