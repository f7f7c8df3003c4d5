import { CHUNK_BYTES } from "./layout-core.ts";

/** The same bytes in chunks of 256 KiB, the last one shorter; one empty chunk when there are none. */
export async function* cutChunks(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let chunk = Buffer.alloc(CHUNK_BYTES);
  let [filled, count] = [0, 0];
  for await (const part of source) {
    for (let offset = 0; offset < part.length;) {
      const taken = Math.min(part.length - offset, CHUNK_BYTES - filled);
      chunk.set(part.subarray(offset, offset + taken), filled);
      filled += taken;
      offset += taken;
      if (filled < CHUNK_BYTES) continue;
      yield chunk;
      count++;
      chunk = Buffer.alloc(CHUNK_BYTES);
      filled = 0;
    }
  }
  if (filled > 0 || count === 0) yield chunk.subarray(0, filled);
}
