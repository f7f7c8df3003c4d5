import type { Command } from "commander";
import type { CliContext } from "./cli-context.ts";

/** `easynet artifact put|get|list|pin|unpin|remove`. */
export function declareArtifact(parent: Command, context: CliContext): void {
  const sub = (name: string, about: Parameters<CliContext["text"]>[0]): Command =>
    parent.command(name).description(context.text(about)).helpOption("-h, --help", context.text("option.help"));
  sub("put", "artifact.put")
    .argument("<file>", context.text("artifact.file"))
    .option("--pin", context.text("artifact.pin"))
    .option("--public", context.text("artifact.public"))
    .action(async (file, options) => (await import("./commands/artifact.ts")).putArtifact(context, file, options));
  sub("get", "artifact.get")
    .argument("<cid>", context.text("artifact.cid"))
    .option("-o, --output <file>", context.text("artifact.output"))
    .action(async (cid, options) => (await import("./commands/artifact.ts")).getArtifact(context, cid, options));
  sub("list", "artifact.list").action(async () => (await import("./commands/artifact.ts")).listArtifacts(context));
  sub("pin", "artifact.pin")
    .argument("<cid>", context.text("artifact.cid"))
    .action(async (cid) => (await import("./commands/artifact.ts")).pinArtifact(context, cid, true));
  sub("unpin", "artifact.unpin")
    .argument("<cid>", context.text("artifact.cid"))
    .action(async (cid) => (await import("./commands/artifact.ts")).pinArtifact(context, cid, false));
  sub("remove", "artifact.remove")
    .argument("<cid>", context.text("artifact.cid"))
    .action(async (cid) => (await import("./commands/artifact.ts")).removeArtifact(context, cid));
}
