/** A member in a process of its own, to be killed or stopped. Argument: the network's root key and an address, as JSON. */
import { generateKeyPair, keyPairFromSeed } from "../../packages/easynet/src/identity/index.ts";
import { startMember } from "./member.ts";
import { makeAgents, recordOf } from "./records.ts";

const order: unknown = JSON.parse(process.argv[2] ?? "{}");
if (typeof order !== "object" || !order || !("root" in order) || !("address" in order)) {
  throw new TypeError("the child wants a root key and an address");
}
const keyPair = generateKeyPair();
const member = await startMember(keyPairFromSeed(Buffer.from(String(order.root), "hex")), keyPair);
await member.directory.publish(recordOf(keyPair.did, makeAgents(keyPair.did, 1), member.mesh.addresses()));
await member.mesh.connect(String(order.address));
process.send?.({ did: keyPair.did });
setInterval(() => undefined, 60_000);
