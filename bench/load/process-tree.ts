import { readFileSync } from "node:fs";
import { cpuMicros, residentBytes } from "./cpu-of-process.ts";

/** A process and its children. */
export function treeOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [pid, ...(children === "" ? [] : children.split(" ").map(Number))];
}

export function cpuMicrosOfTree(pid: number): number {
  return treeOf(pid).reduce((sum, one) => sum + cpuMicros(one), 0);
}

export function residentBytesOfTree(pid: number): number {
  return treeOf(pid).reduce((sum, one) => sum + residentBytes(one), 0);
}
