// SETTINGS: RFC 9113, section 6.5.
import { ConnectionError, ErrorCode } from "./error-code.ts";
import { framePayloadMax, Setting, windowBytesMax } from "./frame.ts";

const settingBytes = 6;
const framePayloadLimit = 0xffffff;

export type OwnSettings = {
  readonly maxStreams: number;
  readonly windowBytes: number;
  readonly headerListBytesMax: number;
};

export function writeSettings({ maxStreams, windowBytes, headerListBytesMax }: OwnSettings): Buffer {
  const settings: readonly (readonly [id: number, value: number])[] = [
    [Setting.MAX_CONCURRENT_STREAMS, maxStreams],
    [Setting.INITIAL_WINDOW_SIZE, windowBytes],
    [Setting.MAX_HEADER_LIST_SIZE, headerListBytesMax],
  ];
  const payload = Buffer.alloc(settings.length * settingBytes);
  for (const [index, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, index * settingBytes);
    payload.writeUInt32BE(value, index * settingBytes + 2);
  }
  return payload;
}

/** What changes for us; `undefined`: not mentioned. */
export type PeerSettings = { windowBytes?: number; headerTableBytes?: number };

/** Throws `ConnectionError` for a value that its setting cannot have. */
export function readPeerSettings(bytes: Buffer, start: number, length: number): PeerSettings {
  const settings: PeerSettings = {};
  for (let at = start; at < start + length; at += settingBytes) {
    const value = bytes.readUInt32BE(at + 2);
    switch (bytes.readUInt16BE(at)) {
      case Setting.HEADER_TABLE_SIZE:
        settings.headerTableBytes = Math.min(value, settings.headerTableBytes ?? value);
        break;
      case Setting.ENABLE_PUSH:
        if (value > 1) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1");
        break;
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > windowBytesMax) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a window too large");
        settings.windowBytes = value;
        break;
      case Setting.MAX_FRAME_SIZE:
        if (value < framePayloadMax || value > framePayloadLimit) {
          throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE is between 2^14 and 2^24-1");
        }
        break;
    }
  }
  return settings;
}
