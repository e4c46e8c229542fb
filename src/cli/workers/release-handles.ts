import type { ChildProcess } from "node:child_process";

/**
 * Closes the pipe to a child that has died, with the socket that was on its way to it. Node sends one handle at a time and
 * keeps it until the child acknowledges it: a dead child acknowledges nothing, so the caller's connection would stay open in
 * this process for ever. What waits behind that handle is not sent, and remains its owner's. Nothing more is heard from the
 * child.
 *
 * There is no public call for it: these are the fields and the call by which Node itself does so when no handle is queued
 * (24.21, seen on 2026-11-25).
 */
export function releaseHandles(child: ChildProcess): void {
  if (child.connected) child.disconnect();
  if (child.channel !== null && child.channel !== undefined) callOn(child, "_disconnect");
  // With the end of the pipe seen first, Node has put the disconnect off until the acknowledgement, and lost the channel.
  const pending: unknown = Reflect.get(child, "_pendingMessage");
  if (typeof pending !== "object" || pending === null) return;
  const handle: unknown = Reflect.get(pending, "handle");
  Reflect.set(child, "_pendingMessage", null);
  if (typeof handle === "object" && handle !== null) callOn(handle, "close");
}

function callOn(target: object, name: string): void {
  const method: unknown = Reflect.get(target, name);
  if (typeof method === "function") method.call(target);
}
