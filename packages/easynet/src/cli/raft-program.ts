import type { Command } from "commander";
import type { CliContext } from "./cli-context.ts";

/** `easynet raft status|members|transfer|force`. */
export function declareRaft(parent: Command, context: CliContext): void {
  const sub = (name: string, about: Parameters<CliContext["text"]>[0]): Command =>
    parent.command(name).description(context.text(about)).helpOption("-h, --help", context.text("option.help"));
  sub("status", "raft.status").action(async () => (await import("./commands/raft.ts")).raftStatus(context));
  sub("members", "raft.members").action(async () => (await import("./commands/raft.ts")).raftMembers(context));
  sub("transfer", "raft.transfer")
    .argument("<node>", context.text("raft.to"))
    .option("--group <name>", context.text("raft.group"), "main")
    .action(async (to, options) => (await import("./commands/raft.ts")).raftTransfer(context, to, options));
  sub("force", "raft.force")
    .option("--group <name>", context.text("raft.group"), "main")
    .option("--yes", context.text("raft.yes"))
    .action(async (options) => (await import("./commands/raft.ts")).raftForce(context, options));
}
