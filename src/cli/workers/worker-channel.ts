import type { Channel } from "./channel.ts";
import type { PrimaryAsks, PrimaryNews, WorkerAsks, WorkerNews } from "./protocol.ts";

/** A worker's end of the pipe. */
export type WorkerChannel = Channel<WorkerAsks, WorkerNews, PrimaryAsks, PrimaryNews>;

/** The primary process's end of the pipe to one worker. */
export type PrimaryChannel = Channel<PrimaryAsks, PrimaryNews, WorkerAsks, WorkerNews>;
