import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  appendModel,
  checkLinearizable,
  type Operation,
  registerModel,
  type Verdict,
} from "../packages/easynet/src/testing/linearizability/index.ts";
import { readJepsen, readTexts } from "./histories.ts";
import { type Case, runSuite } from "./suite.ts";

interface Expected {
  readonly file: string;
  readonly model: "register" | "kv";
  readonly linearizable: boolean;
  readonly operations: number;
}

// Histories of Jepsen's tests of etcd and of a key-value store with up to 50 clients, with known verdicts: the checker
// itself, before it judges our own histories.
await runSuite({
  name: "linearizability",
  folder: "linearizability",
  caseCount: 54,
  async run(folder) {
    const verdicts: readonly Expected[] = JSON.parse(await readFile(join(folder, "verdicts.json"), "utf8"));
    return await Promise.all(
      verdicts.map(async (expected) => {
        const lines = (await readFile(join(folder, expected.file), "utf8")).split("\n").filter((line) => line !== "");
        return expected.model === "register" ? judgeRegister(expected, lines) : judgeTexts(expected, lines);
      }),
    );
  },
});

function judgeRegister(expected: Expected, lines: readonly string[]): Case {
  const history = readJepsen(lines);
  return compare(expected, history, checkLinearizable(history, registerModel()));
}

function judgeTexts(expected: Expected, lines: readonly string[]): Case {
  const history = readTexts(lines);
  return compare(expected, history, checkLinearizable(history, appendModel, { keyOf: ({ key }) => key }));
}

function compare(expected: Expected, history: readonly Operation<unknown>[], verdict: Verdict): Case {
  const { file, linearizable, operations } = expected;
  const wanted = linearizable ? "linearizable" : "violated";
  const faults = [
    ...(verdict.outcome === wanted ? [] : [`${verdict.outcome} instead of ${wanted}`]),
    ...(history.length === operations ? [] : [`${history.length} operations instead of ${operations}`]),
  ];
  return { name: file, failure: faults.length > 0 ? faults.join("; ") : undefined };
}
