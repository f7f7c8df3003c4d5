import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfChangeScript } from "./raft/conf-change.ts";
import { InteractionScript } from "./raft/interaction.ts";
import { runInteraction } from "./raft/interaction-commands.ts";
import { runQuorum } from "./raft/quorum.ts";
import { type Command, parseScript } from "./raft/script.ts";
import { type Case, runSuite } from "./suite.ts";

/** Runs one file's commands in order, from nothing. */
const RUNNERS: Readonly<Record<string, () => (command: Command) => string>> = {
  quorum: () => runQuorum,
  confchange() {
    const script = new ConfChangeScript();
    return (command) => script.run(command);
  },
  interaction() {
    const script = new InteractionScript();
    return (command) => runInteraction(script, command);
  },
};

// The scripted tests of etcd's Raft library, command by command; log lines count like everything else.
await runSuite({
  name: "raft",
  folder: "raft",
  caseCount: 743,
  async run(folder) {
    const counts: Record<string, Record<string, number>> = JSON.parse(
      await readFile(join(folder, "counts.json"), "utf8"),
    );
    const cases: Case[] = [];
    for (const [group, newRunner] of Object.entries(RUNNERS)) {
      for (const file of (await readdir(join(folder, group))).toSorted()) {
        const commands = parseScript(await readFile(join(folder, group, file), "utf8"));
        const wanted = counts[group]?.[file];
        if (commands.length !== wanted) throw new Error(`${file} has ${commands.length} commands, not ${wanted}`);
        const run = newRunner();
        for (const command of commands) {
          const name = `${group}/${file}:${command.line} ${command.text}`;
          cases.push({ group, name, failure: differenceOf(command, run) });
        }
      }
    }
    return cases;
  },
});

/** The first line that is not as expected. */
function differenceOf(command: Command, run: (command: Command) => string): string | undefined {
  let actual: string;
  try {
    actual = run(command);
  } catch (error) {
    return error instanceof Error ? `failed with ${error.message}` : String(error);
  }
  const lines = actual.replace(/\n+$/, "").split("\n");
  const expected = command.expected.split("\n");
  for (let at = 0; at < Math.max(lines.length, expected.length); at++) {
    if (lines[at] === expected[at]) continue;
    return `output line ${at + 1} is ${JSON.stringify(lines[at])}, not ${JSON.stringify(expected[at])}`;
  }
  return undefined;
}
