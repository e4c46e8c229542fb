// The layout of frames: RFC 9113, sections 4.1 and 6.

export const frameHeadBytes = 9;

/** The largest payload that we take: what a peer may send before it knows our settings, and we ask for no more. */
export const framePayloadMax = 16_384;

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

export const Flag = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

export const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
} as const;

/** Before any settings: section 6.9.2. */
export const initialWindowBytes = 65_535;
export const windowBytesMax = 0x7fffffff;
/** Of HPACK, before any settings: section 6.5.2. */
export const headerTableDefaultBytes = 4096;
