import { describe, expect, it } from "vitest";
import { postForm } from "./multipart-form.ts";

/** Reads the form back with the engine's own parser. */
async function readBack(request: ReturnType<typeof postForm>): Promise<FormData> {
  const body = new Uint8Array(Buffer.from(request.body));
  return new Response(body, { headers: { "content-type": request.headers["content-type"] ?? "" } }).formData();
}

describe("a form", () => {
  it("arrives as it was sent, files and texts", async () => {
    const file = new Uint8Array([0, 13, 10, 45, 45, 255]);
    const form = await readBack(
      postForm("https://host", "/path", [
        { name: "model", value: "whisper-1" },
        { name: "left-out", value: undefined },
        { name: "prompt", value: "Zürich\r\nand 東京" },
        { name: "granularities[]", value: "word" },
        { name: "granularities[]", value: "segment" },
        { name: "file", file, mediaType: "audio/mpeg", filename: "speech.mp3" },
      ]),
    );
    expect(form.get("model")).toBe("whisper-1");
    expect(form.has("left-out")).toBe(false);
    expect(form.get("prompt")).toBe("Zürich\r\nand 東京");
    expect(form.getAll("granularities[]")).toEqual(["word", "segment"]);
    const sent = form.get("file") as File;
    expect([sent.name, sent.type]).toEqual(["speech.mp3", "audio/mpeg"]);
    expect(new Uint8Array(await sent.arrayBuffer())).toEqual(file);
  });

  it("cannot be broken out of by a text, a file name or a media type", async () => {
    const evil = '"\r\ncontent-disposition: form-data; name="model"\r\n\r\nother';
    const form = await readBack(
      postForm("https://host", "/path", [
        { name: "prompt", value: "--llm-gateway-form-0--\r\n--llm-gateway-form-1" },
        { name: "file", file: new Uint8Array([1]), mediaType: "audio/wav\r\nx: y", filename: evil },
      ]),
    );
    expect([...form.keys()]).toEqual(["prompt", "file"]);
    expect(form.get("prompt")).toBe("--llm-gateway-form-0--\r\n--llm-gateway-form-1");
  });

  it("is the same for the same content", () => {
    const fields = [{ name: "a", value: "b" }];
    expect(postForm("https://host", "/", fields)).toEqual(postForm("https://host", "/", fields));
  });
});
