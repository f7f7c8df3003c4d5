import { type Command, Option } from "commander";
import type { Consistency, MergeRule } from "../state/index.ts";
import type { CliContext } from "./cli-context.ts";

const MERGE: readonly MergeRule[] = ["last-writer", "set", "counter", "max", "keep-both"];
const LEVELS: readonly Consistency[] = ["local", "session", "bounded", "linearizable"];

const load = async () => import("./commands/state.ts");

/** `easynet state spaces|declare|get|put|…`. */
export function declareState(parent: Command, context: CliContext): void {
  const sub = (name: string, about: Parameters<CliContext["text"]>[0]): Command =>
    parent.command(name).description(context.text(about)).helpOption("-h, --help", context.text("option.help"));
  const ofSpace = (command: Command): Command => command.option("--space <name>", context.text("state.space"));
  const ofKey = (command: Command): Command => ofSpace(command.argument("<key>", context.text("state.key")));
  const level = (): Option => new Option("--consistency <level>", context.text("state.consistency")).choices(LEVELS);
  sub("spaces", "state.spaces").action(async () => (await load()).spaces(context));
  sub("declare", "state.declare")
    .argument("<name>", context.text("state.space"))
    .addOption(new Option("--merge <rule>", context.text("state.merge")).choices(MERGE))
    .option("--replica <did...>", context.text("state.replica"))
    .option("--entries <count>", context.text("state.entries"))
    .option("--history <count>", context.text("state.historyMax"))
    .action(async (name, options) => (await load()).declare(context, name, options));
  ofKey(sub("get", "state.get"))
    .addOption(level())
    .option("--token <token>", context.text("state.token"))
    .option("--staleness <time>", context.text("state.staleness"))
    .action(async (key, options) => (await load()).get(context, key, options));
  ofKey(sub("put", "state.put"))
    .argument("<value>", context.text("state.value"))
    .addOption(level())
    .option("--resolve", context.text("state.resolve"))
    .action(async (key, value, options) => (await load()).put(context, key, { ...options, value }));
  ofKey(sub("delete", "state.delete"))
    .addOption(level())
    .action(async (key, options) => (await load()).remove(context, key, options));
  for (const [kind, about] of [
    ["add", "state.add"],
    ["remove", "state.remove"],
  ] as const) {
    ofKey(sub(kind, about))
      .argument("<element>", context.text("state.value"))
      .action(async (key, element, options) => (await load()).element(context, key, { ...options, kind, element }));
  }
  ofKey(sub("increment", "state.increment"))
    .argument("[by]", context.text("state.by"))
    .action(async (key, by, options) => (await load()).increment(context, key, { ...options, by }));
  ofSpace(sub("watch", "state.watch").argument("[key]", context.text("state.key")))
    .option("--prefix <text>", context.text("state.prefix"))
    .action(async (key, options) => (await load()).watch(context, { ...options, key }));
  ofKey(sub("history", "state.history")).action(async (key, options) => (await load()).history(context, key, options));
  ofSpace(sub("backup", "state.backup").argument("<file>", context.text("state.backupFile"))).action(
    async (file, options) => (await load()).backup(context, file, options),
  );
  ofSpace(sub("restore", "state.restore").argument("<file>", context.text("state.restoreFile"))).action(
    async (file, options) => (await load()).restore(context, file, options),
  );
}
