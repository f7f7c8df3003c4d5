/** Fills the disk under `FOLDER` until the store refuses, makes room, and prints what it saw as JSON. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isEasynetError } from "../../packages/easynet/src/kernel/index.ts";
import { openStore, type Write } from "../../packages/easynet/src/storage/index.ts";

const folder = process.argv[2] ?? "";
const path = join(folder, "node.db");
const ballast = join(folder, "ballast");
writeFileSync(ballast, new Uint8Array(1024 * 1024));

const put = (key: string): Write => ({ kind: "put", space: "s", key, value: new Uint8Array(20_000).fill(1) });
const store = await openStore({ path });
const committed: string[] = [];
const refused: string[] = [];
const codes = new Set<string>();
for (let index = 0; index < 1000 && refused.length < 5; index += 1) {
  const keys = [`${index}/a`, `${index}/b`];
  try {
    await store.commit(keys.map(put));
    committed.push(...keys);
  } catch (error) {
    refused.push(...keys);
    codes.add(isEasynetError(error) ? error.code : String(error));
  }
}
const readableWhileFull = committed.length > 20 && committed.every((key) => store.get("s", key)?.byteLength === 20_000);
const nothingOfRefused = refused.every((key) => store.get("s", key) === undefined);
rmSync(ballast);
await store.commit([put("later")]);
committed.push("later");
const committedAfterRoom = store.get("s", "later") !== undefined;
await store.close();
const again = await openStore({ path });
const lostAfterReopen = committed.filter((key) => again.get("s", key)?.byteLength !== 20_000).length;
await again.close();
console.log(
  JSON.stringify({ codes: [...codes], readableWhileFull, nothingOfRefused, committedAfterRoom, lostAfterReopen }),
);
