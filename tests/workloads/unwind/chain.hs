-- SPDX-License-Identifier: Apache-2.0
-- chain-haskell SECONDS: works. Its stack is the runtime's own, of which RBP is the stack pointer,
-- and its functions are jumped to: there is nothing that leads from one to its caller.
module Main (main) where

import Data.Bits (xor)
import Data.Word (Word32)
import System.CPUTime (getCPUTime)
import System.Environment (getArgs)

leaf :: Int -> Word32 -> Word32
leaf 0 x = x
leaf n x = leaf (n - 1) (x * 1664525 + 1013904223)
{-# NOINLINE leaf #-}

middle :: Int -> Word32 -> Word32
middle 0 x = leaf 50000 x
middle depth x = middle (depth - 1) x + fromIntegral depth
{-# NOINLINE middle #-}

run :: Integer -> Word32 -> IO ()
run end x = do
  now <- getCPUTime
  if now >= end then print (x `xor` 1) else run end $! middle 5 x

main :: IO ()
main = do
  arguments <- getArgs
  let seconds = case arguments of
        (a : _) -> read a
        [] -> 5 :: Double
  run (truncate (seconds * 1e12)) 1
