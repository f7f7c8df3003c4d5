/**
 * The program that Maelstrom runs as each node: `node maelstrom-child.ts WORKLOAD`, messages on standard input and output,
 * one JSON object in each line.
 */
import { createInterface } from "node:readline";
import { MaelstromNode } from "./node.ts";
import { parseMessage } from "./protocol.ts";
import { isWorkloadName } from "./workloads.ts";

const name = process.argv[2] ?? "";
if (!isWorkloadName(name)) throw new TypeError(`there is no workload ${name}`);
const node = new MaelstromNode(name, (message) => void process.stdout.write(`${JSON.stringify(message)}\n`));
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void node.receive(parseMessage(line)));
lines.on("close", () => process.exit(0));
