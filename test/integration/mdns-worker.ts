/** A node reduced to fabric and discovery: it dials what it hears of and prints what it saw, one JSON per line. */
import { parseArgs } from "node:util";
import { generateKeyPair, parseDid } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, silentLogger, systemClock, systemRandom } from "../../packages/easynet/src/kernel/index.ts";
import { createLibp2pFabric, createMdns, networkTag } from "../../packages/easynet/src/mesh/index.ts";

const { values } = parseArgs({
  options: {
    network: { type: "string", default: "" },
    interface: { type: "string", multiple: true },
    name: { type: "string", default: "" },
  },
});
const print = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

const keyPair = generateKeyPair();
const fabric = await createLibp2pFabric({
  keyPair,
  listenAddresses: ["0.0.0.0:0"],
  logger: silentLogger,
  metrics: noMetrics,
});
fabric.onConnection((connection) => print({ event: "inbound", did: connection.remote }));
await fabric.start();
const port = Number(/\/tcp\/(\d+)\//.exec(fabric.addresses()[0] ?? "")?.[1]);
const startedAtMs = performance.now();
const mdns = createMdns({
  interfaces: values.interface,
  networkTag: networkTag(parseDid(values.network)),
  did: keyPair.did,
  name: values.name,
  port,
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  onHint: (hint) => {
    const afterMs = performance.now() - startedAtMs;
    print({ event: "hint", did: hint.did, name: hint.name, addresses: hint.addresses, afterMs });
    void fabric.dial(hint.addresses[0] ?? "").then(
      (connection) => print({ event: "linked", did: connection.remote, afterMs: performance.now() - startedAtMs }),
      (error: unknown) => print({ event: "unreachable", reason: String(error) }),
    );
  },
});
await mdns.start();
print({ event: "ready", did: keyPair.did, port, advertised: fabric.addresses() });
process.stdin.on("data", () => print({ event: "status", ...mdns.status() }));
process.stdin.on("end", () => {
  void mdns
    .stop()
    .then(() => fabric.stop())
    .then(() => process.exit(0));
});
