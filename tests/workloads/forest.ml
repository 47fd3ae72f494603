(* SPDX-License-Identifier: Apache-2.0 *)
(* forest SECONDS: recursion, a module and a closure in OCaml, for the names and lines in its
   profile. *)
type t = Leaf | Node of t * int * t

module Tree = struct
  let rec insert x = function
    | Leaf -> Node (Leaf, x, Leaf)
    | Node (l, y, r) when x < y -> Node (insert x l, y, r)
    | Node (l, y, r) -> Node (l, y, insert x r)
end

let build seed =
  let t = ref Leaf and x = ref seed in
  for _ = 1 to 1000 do
    x := ((!x * 1103515245) + 12345) land 0x3fffffff;
    t := Tree.insert !x !t
  done;
  match !t with Leaf -> 0 | Node (_, y, _) -> y

let () =
  let finish = Unix.gettimeofday () +. float_of_string Sys.argv.(1) in
  let total = ref 0 in
  while Unix.gettimeofday () < finish do
    List.iter (fun s -> total := !total + build s) [ 1; 2; 3 ]
  done;
  if !total = 1 then print_endline "one"
