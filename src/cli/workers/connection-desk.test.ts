// Real connections and real processes: what Node does with handles that a dead child never takes is not to be guessed.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createListener } from "../../server/connection-source.ts";
import { ConnectionDesk, type Seat } from "./connection-desk.ts";
import { releaseHandles } from "./release-handles.ts";

const children: ChildProcess[] = [];
const clients: Socket[] = [];
let desk: ConnectionDesk | undefined;

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  desk?.close();
});

/** `answers`: says its process id on each connection. Otherwise it takes none, and acknowledges none. */
async function startChild(answers: boolean): Promise<{ child: ChildProcess; seat: Seat }> {
  const script = answers
    ? 'process.on("message", (_, socket) => socket.end(String(process.pid))); process.send("up")'
    : 'process.on("message", () => {}); process.send("up", () => process.kill(process.pid, "SIGSTOP"))';
  const child = spawn(process.execPath, ["-e", script], {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  children.push(child);
  await once(child, "message");
  return { child, seat: { give: (socket, sent) => void child.send("connection", socket, {}, sent) } };
}

/** Resolves with all that is said on a new connection when it is closed. */
async function say(port: number): Promise<() => Promise<string>> {
  const client = connect(port, "127.0.0.1");
  clients.push(client);
  let text = "";
  client.on("data", (data) => {
    text += String(data);
  });
  client.on("error", () => undefined); // Followed by "close".
  const closed = once(client, "close");
  await once(client, "connect");
  return () => closed.then(() => text);
}

describe("connections that were given to a worker that dies before it takes them", () => {
  it("are served by the next, but for the one that was on its way, which is closed", async () => {
    const opened = new ConnectionDesk({
      source: createListener({ host: "127.0.0.1", port: 0, maxConnections: 100, pauseOnConnect: true }),
      connectionsMax: 100,
    });
    desk = opened;
    const { port } = await opened.open();
    const dying = await startChild(false);
    const next = await startChild(true);
    opened.add(dying.seat);
    const said = [await say(port), await say(port), await say(port), await say(port)];
    await vi.waitFor(() => expect(opened.connections).toBe(4));

    dying.child.kill("SIGKILL");
    await once(dying.child, "exit");
    releaseHandles(dying.child);
    opened.remove(dying.seat);
    expect(opened.connections).toBe(3); // They wait.
    opened.add(next.seat);
    const texts = await Promise.all(said.map((closed) => closed()));
    expect(texts.filter((text) => text === String(next.child.pid))).toHaveLength(3);
    expect(texts.filter((text) => text === "")).toHaveLength(1);
  });

  it("are closed when the gateway ends", async () => {
    const opened = new ConnectionDesk({
      source: createListener({ host: "127.0.0.1", port: 0, maxConnections: 100, pauseOnConnect: true }),
      connectionsMax: 100,
    });
    desk = opened;
    const { port } = await opened.open();
    const dying = await startChild(false);
    opened.add(dying.seat);
    const said = [await say(port), await say(port)];
    await vi.waitFor(() => expect(opened.connections).toBe(2));
    opened.close();
    dying.child.kill("SIGKILL");
    await once(dying.child, "exit");
    releaseHandles(dying.child);
    opened.remove(dying.seat);
    expect(await Promise.all(said.map((closed) => closed()))).toEqual(["", ""]);
    expect(opened.connections).toBe(0);
  });
});
