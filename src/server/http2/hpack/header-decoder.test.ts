import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConnectionError, ErrorCode } from "../error-code.ts";
import { encodeHuffman } from "../testing/huffman-encoder.ts";
import { encodeHeaders } from "./encode-headers.ts";
import { HeaderDecoder } from "./header-decoder.ts";
import { decodeHuffman } from "./huffman.ts";

function fieldsOf(decoder: HeaderDecoder, block: Buffer): string[] {
  const fields: string[] = [];
  decoder.decode(block, ({ name, value }) => fields.push(`${name}: ${value}`));
  return fields;
}

const get = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
const getHttps = [":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com"];
const dateOne = "date: Mon, 21 Oct 2013 20:13:21 GMT";
const dateTwo = "date: Mon, 21 Oct 2013 20:13:22 GMT";
const responses = [
  [":status: 302", "cache-control: private", dateOne, "location: https://www.example.com"],
  [":status: 307", "cache-control: private", dateOne, "location: https://www.example.com"],
  [
    ":status: 200",
    "cache-control: private",
    dateTwo,
    "location: https://www.example.com",
    "content-encoding: gzip",
    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  ],
];

describe("the examples of RFC 7541, appendix C", () => {
  it.each([
    ["C.2.1", "400a637573746f6d2d6b65790d637573746f6d2d686561646572", ["custom-key: custom-header"]],
    ["C.2.2", "040c2f73616d706c652f70617468", [":path: /sample/path"]],
    ["C.2.3", "100870617373776f726406736563726574", ["password: secret"]],
    ["C.2.4", "82", [":method: GET"]],
  ])("%s", (_name, hex, fields) => {
    expect(fieldsOf(new HeaderDecoder(), Buffer.from(hex, "hex"))).toEqual(fields);
  });

  it.each([
    [
      "C.3",
      [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
      ],
    ],
    [
      "C.4",
      [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
      ],
    ],
  ])("%s: requests on one connection", (_name, blocks) => {
    const decoder = new HeaderDecoder();
    expect(blocks.map((hex) => fieldsOf(decoder, Buffer.from(hex, "hex")))).toEqual([
      get,
      [...get, "cache-control: no-cache"],
      [...getHttps, "custom-key: custom-value"],
    ]);
  });

  it.each([
    [
      "C.5",
      [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
      ],
    ],
    [
      "C.6",
      [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
      ],
    ],
  ])("%s: responses on one connection, whose table holds 256 bytes and lets fields go", (_name, blocks) => {
    const decoder = new HeaderDecoder();
    // "Dynamic Table Size Update" to 256, which the examples take as given.
    decoder.decode(Buffer.from("3fe101", "hex"), () => undefined);
    expect(blocks.map((hex) => fieldsOf(decoder, Buffer.from(hex, "hex")))).toEqual(responses);
    // 63 to 65 hold what the last block brought and kept; 66 was let go.
    expect(fieldsOf(decoder, Buffer.from("c0", "hex"))).toEqual([dateTwo]);
    expect(() => fieldsOf(decoder, Buffer.from("c1", "hex"))).toThrow(ConnectionError);
  });
});

describe("a block of headers", () => {
  it.each([
    ["an index of nothing", "80"],
    ["an index beyond the tables", "be"],
    ["an integer that is cut", "ff"],
    ["an integer that does not end", "ffffffffffffff00"],
    ["a text that is cut", "400a6375"],
    ["a text without its length", "4001"],
    ["a table larger than was offered", "3fe21f"],
    ["a table size after a field", "8220"],
    ["Huffman padding of a whole byte", "400185ff"],
    ["Huffman padding with zeros", "40018200f8"],
    ["the end-of-string symbol", "400184ffffffff"],
  ])("with %s ends the connection with COMPRESSION_ERROR", (_name, hex) => {
    const decode = () => fieldsOf(new HeaderDecoder(), Buffer.from(hex, "hex"));
    expect(decode).toThrow(expect.objectContaining({ code: ErrorCode.COMPRESSION_ERROR }));
  });

  it("of any bytes is read, or is a ConnectionError and nothing else", () => {
    const decoder = new HeaderDecoder();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          fieldsOf(decoder, Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(ConnectionError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("leaves a table that was emptied by one field too large for it", () => {
    const decoder = new HeaderDecoder();
    const literal = (value: string) =>
      Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f]), integerTail(value.length - 127), Buffer.from(value)]);
    expect(fieldsOf(decoder, literal("x".repeat(200)))).toHaveLength(1);
    expect(fieldsOf(decoder, Buffer.from([0xbe]))).toHaveLength(1);
    expect(fieldsOf(decoder, literal("x".repeat(5000)))).toHaveLength(1);
    expect(() => fieldsOf(decoder, Buffer.from([0xbe]))).toThrow(ConnectionError);
  });
});

function integerTail(rest: number): Buffer {
  const bytes: number[] = [];
  let left = rest;
  for (; left >= 0x80; left >>= 7) bytes.push((left & 0x7f) | 0x80);
  return Buffer.from([...bytes, left]);
}

describe("what we write", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,40}$/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a value may hold
  const value = fc.stringMatching(/^[\x01-\x09\x0e-\xff]{0,300}$/);
  const lists = fc.array(
    fc.dictionary(name, fc.oneof(value, fc.constant("200"), fc.constant("gzip")), { maxKeys: 10 }),
    {
      minLength: 1,
      maxLength: 4,
    },
  );

  it("is read as it was, whatever came before it", () => {
    fc.assert(
      fc.property(lists, (blocks) => {
        const decoder = new HeaderDecoder();
        // Twice, since what repeats comes from a cache.
        for (const headers of [...blocks, ...blocks]) {
          const expected = Object.entries(headers).map(([key, text]) => `${key}: ${text}`);
          expect(fieldsOf(decoder, encodeHeaders(headers))).toEqual(expected);
        }
      }),
    );
  });

  it.each(["a\r\nb: c", "a\nb", "a\0", "Ā"])("is no value that would be another header: %j", (bad) => {
    for (let time = 0; time < 3; time++) expect(() => encodeHeaders({ "x-bad": bad })).toThrow(TypeError);
    expect(fieldsOf(new HeaderDecoder(), encodeHeaders({ "X-Bad": "good" }))).toEqual(["x-bad: good"]);
  });
});

describe("the Huffman code", () => {
  it("gives back every text that the table of the RFC encodes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const code = encodeHuffman(bytes);
        expect(decodeHuffman(code, 0, code.length)).toBe(Buffer.from(bytes).toString("latin1"));
      }),
    );
    for (let byte = 0; byte < 256; byte++) {
      const code = encodeHuffman(Buffer.from([byte]));
      expect(decodeHuffman(code, 0, code.length)).toBe(String.fromCharCode(byte));
    }
  });
});
