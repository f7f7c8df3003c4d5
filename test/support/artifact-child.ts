/** A member that puts or gets an artifact: `HOME put|get CID|SEED BYTES ADDRESS`. It is killed by the test. */
import { createHash } from "node:crypto";
import { serveNode } from "../../packages/easynet/src/gateway/index.ts";
import { loadConfig } from "../../packages/easynet/src/node/index.ts";

const [home = "", what = "", subject = "", bytes = "0", bootstrap = ""] = process.argv.slice(2);
const flags = {
  home,
  listenHost: "127.0.0.1",
  listenPort: 0,
  apiPort: 0,
  mdns: false,
  logLevel: "silent",
  ...(bootstrap !== "" && { bootstrap: [bootstrap] }),
};
const { node } = await serveNode(loadConfig({ env: {}, flags }));

/** The same bytes for the same word. */
function* content(): Generator<Uint8Array, void, void> {
  let block = createHash("sha512").update(subject).digest();
  for (let left = Number(bytes); left > 0; left -= 64 * 1024) {
    const part = Buffer.alloc(Math.min(left, 64 * 1024));
    for (let offset = 0; offset < part.length; offset += 64) {
      block.copy(part, offset);
      if (offset % 4096 === 0) block = createHash("sha512").update(block).digest();
    }
    yield part;
  }
}

process.send?.({ kept: node.artifacts.list() });
if (what === "put") process.send?.({ done: await node.artifacts.put(content()) });
else process.send?.({ done: await node.artifacts.fetch(subject) });
