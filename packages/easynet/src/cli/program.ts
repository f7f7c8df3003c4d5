import { Argument, Command, Option } from "commander";
import { declareArtifact } from "./artifact-program.ts";
import type { CliContext } from "./cli-context.ts";
import { packageVersion, version } from "./commands/version.ts";
import { declareState } from "./state-program.ts";
import type { TextKey } from "./texts.ts";

/** What `easynet messages` shows or does. */
const MESSAGE_ACTIONS = ["outbox", "dead-letters", "kinds", "answer", "requeue", "drop"] as const;

/** Adds one command to the program. */
type Declare = (program: Command, context: CliContext, args: readonly string[]) => void;

/** Every command, in the order of the help. Its code is loaded when it runs: most of a start is loading. */
const COMMANDS: readonly Declare[] = [
  (program, context, args) =>
    nodeOptions(
      context,
      command(program, context, { name: "up", examples: ["easynet up", "easynet up --name desk --detach"] }),
    ).action(async (options) => (await import("./commands/up.ts")).up(context, options, args)),
  (program, context) =>
    command(program, context, {
      name: "invite",
      examples: ["easynet invite", "easynet invite --uses 3 --expires 1h", "easynet invite --list"],
    })
      .option("--uses <count>", context.text("invite.uses"))
      .option("--expires <time>", context.text("invite.expires"))
      .option("--member-only", context.text("invite.memberOnly"))
      .option("--qr", context.text("invite.qr"))
      .option("--no-qr", context.text("invite.noQr"))
      .option("--list", context.text("invite.list"))
      .option("--revoke <id>", context.text("invite.revoke"))
      .action(async (options) => (await import("./commands/invite.ts")).invite(context, options)),
  (program, context, args) =>
    nodeOptions(
      context,
      command(program, context, {
        name: "join",
        examples: [
          "easynet join CODE",
          "easynet join CODE --name desk --detach",
          "easynet join --ask",
          "easynet join --ask 192.168.1.20:7441",
        ],
      })
        .argument("[code]", context.text("join.code"))
        .option("--ask [address]", context.text("join.ask")),
    ).action(async (code, options) => (await import("./commands/join.ts")).join(context, { ...options, code }, args)),
  (program, context) =>
    command(program, context, { name: "approve", examples: ["easynet approve", "easynet approve cobalt-owl"] })
      .argument("[who]", context.text("approve.who"))
      .option("--member-only", context.text("invite.memberOnly"))
      .action(async (who, options) => (await import("./commands/approve.ts")).approve(context, who, options)),
  (program, context) =>
    command(program, context, { name: "leave", examples: ["easynet leave", "easynet leave --yes"] })
      .option("--yes", context.text("leave.yes"))
      .action(async (options) => (await import("./commands/leave.ts")).leave(context, options)),
  (program, context) =>
    command(program, context, { name: "down", examples: ["easynet down"] }).action(async () =>
      (await import("./commands/down.ts")).down(context),
    ),
  (program, context) =>
    command(program, context, { name: "status", examples: ["easynet status", "easynet status --json"] }).action(
      async () => (await import("./commands/status.ts")).status(context),
    ),
  (program, context) =>
    command(program, context, { name: "peers", examples: ["easynet peers"] }).action(async () =>
      (await import("./commands/peers.ts")).peers(context),
    ),
  (program, context) =>
    command(program, context, {
      name: "agents",
      examples: ["easynet agents", "easynet agents --can add", "easynet agents --where 'lang:zh price<0.1'"],
    })
      .option("--can <capability>", context.text("agents.can"))
      .option("--agent <agent>", context.text("agents.agent"))
      .option("--where <query>", context.text("agents.where"))
      .option("--all", context.text("agents.all"))
      .action(async (options) => (await import("./commands/agents.ts")).agents(context, options)),
  (program, context) =>
    command(program, context, {
      name: "call",
      examples: [
        "easynet call add 1 2",
        "easynet call resize @photo.jpg 640 > small.jpg",
        "easynet call chat '{\"a\":1}' --stream",
      ],
    })
      .argument("<name>", context.text("call.name"))
      .argument("[args...]", context.text("call.args"))
      .option("--kwargs <json>", context.text("call.kwargs"))
      .option("--stream", context.text("call.stream"))
      .option("--timeout <time>", context.text("call.timeout"))
      .option("--target <name>", context.text("call.target"))
      .addOption(
        new Option("--priority <word>", context.text("call.priority")).choices(["critical", "high", "normal", "low"]),
      )
      .option("--id <id>", context.text("call.id"))
      .action(async (name, words, options) =>
        (await import("./commands/call.ts")).call(context, [name, ...words], options),
      ),
  (program, context) =>
    command(program, context, { name: "task", examples: ["easynet task 019a2b3c-…", "easynet task order-1 --json"] })
      .argument("<id>", context.text("task.id"))
      .action(async (id) => (await import("./commands/task.ts")).task(context, id)),
  (program, context) =>
    command(program, context, { name: "tasks", examples: ["easynet tasks", "easynet tasks --json"] }).action(async () =>
      (await import("./commands/tasks.ts")).tasks(context),
    ),
  (program, context) =>
    command(program, context, {
      name: "send",
      examples: [
        'easynet send scribe note \'{"text":"hello"}\'',
        'easynet send cobalt-owl emergency \'{"reason":"disk full"}\' --wait stored',
      ],
    })
      .argument("<to>", context.text("send.to"))
      .argument("<kind>", context.text("send.kind"))
      .argument("[payload]", context.text("send.payload"))
      .addOption(new Option("--wait <what>", context.text("send.wait")).choices(["stored", "acknowledged", "answer"]))
      .addOption(
        new Option("--durability <word>", context.text("send.durability")).choices(["volatile", "process", "disk"]),
      )
      .addOption(
        new Option("--priority <word>", context.text("send.priority")).choices(["critical", "high", "normal", "low"]),
      )
      .option("--timeout <time>", context.text("send.timeout"))
      .option("--id <uuid>", context.text("send.id"))
      .action(async (...[to, kind, payload, options]) =>
        (await import("./commands/send.ts")).send(context, { ...options, to, kind, payload }),
      ),
  (program, context) =>
    command(program, context, {
      name: "messages",
      examples: ["easynet messages", "easynet messages dead-letters", "easynet messages requeue ID"],
    })
      .addArgument(new Argument("[action]", context.text("messages.action")).choices(MESSAGE_ACTIONS))
      .argument("[id]", context.text("messages.id"))
      .action(async (action, id) => (await import("./commands/messages.ts")).messages(context, action, id)),
  (program, context) =>
    declareArtifact(
      command(program, context, {
        name: "artifact",
        examples: ["easynet artifact put model.bin", "easynet artifact get bafybeig6zn… -o model.bin"],
      }),
      context,
    ),
  (program, context) =>
    declareState(
      command(program, context, {
        name: "state",
        examples: ["easynet state put plan '{\"step\":1}'", "easynet state get plan", "easynet state watch"],
      }),
      context,
    ),
  (program, context) =>
    command(program, context, { name: "maintenance", examples: ["easynet maintenance on", "easynet maintenance off"] })
      .addArgument(new Argument("<state>", context.text("maintenance.state")).choices(["on", "off"]))
      .action(async (state) => (await import("./commands/maintenance.ts")).maintenance(context, state === "on")),
  (program, context) =>
    command(program, context, { name: "watch", examples: ["easynet watch", "easynet watch --json"] }).action(async () =>
      (await import("./commands/watch.ts")).watch(context),
    ),
  (program, context) =>
    command(program, context, { name: "demo", examples: ["easynet demo", "easynet demo notes/*.md"] })
      .argument("[files...]", context.text("demo.files"))
      .action(async (files) => (await import("./commands/demo.ts")).demo(context, files)),
  (program, context) =>
    command(program, context, { name: "doctor", examples: ["easynet doctor", "easynet doctor --json"] }).action(
      async () => (await import("./commands/doctor.ts")).doctor(context),
    ),
  (program, context) =>
    command(program, context, { name: "config", examples: ["easynet config --explain"] })
      .option("--explain", context.text("config.explain"))
      .action(async (options) => (await import("./commands/config.ts")).config(context, options)),
  (program, context) =>
    command(program, context, { name: "version", examples: ["easynet version --json"] }).action(() => version(context)),
];

/** The command line as commander sees it. @param args as given, for `up --detach` to pass on */
export function createProgram(context: CliContext, args: readonly string[]): Command {
  const program = new Command("easynet")
    .description(context.text("program.about"))
    .version(packageVersion(), "-V, --version", context.text("option.version"))
    .helpOption("-h, --help", context.text("option.help"))
    .helpCommand("help [command]", context.text("command.help"))
    .option("--home <folder>", context.text("option.home"))
    .option("--json", context.text("option.json"))
    .option("--lang <language>", context.text("option.lang"))
    .option("--no-color", context.text("option.noColor"))
    .exitOverride()
    .configureHelp({ styleTitle: (title) => translatedTitle(context, title), showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void context.io.stdout.write(text),
      // Told by describeUsageError, in the user's language.
      writeErr: () => undefined,
    })
    .addHelpText("after", `\n${context.text("help.more")}`)
    .hook("preAction", (root) => context.useOptions(root.opts()));
  for (const declare of COMMANDS) declare(program, context, args);
  return program;
}

/** What `up` and everything that ends in a running node take. */
function nodeOptions(context: CliContext, declared: Command): Command {
  return declared
    .option("--name <name>", context.text("up.name"))
    .option("--port <port>", context.text("up.port"))
    .option("--api-port <port>", context.text("up.apiPort"))
    .option("--listen <address>", context.text("up.listen"))
    .option("--also-listen <address...>", context.text("up.alsoListen"))
    .option("--announce <address...>", context.text("up.announce"))
    .option("--bootstrap <address...>", context.text("up.bootstrap"))
    .option("--no-mdns", context.text("up.noMdns"))
    .option("--interface <name...>", context.text("up.interface"))
    .option("--relay", context.text("up.relay"))
    .option("--no-relay", context.text("up.noRelay"))
    .option("--detach", context.text("up.detach"));
}

type CommandName =
  | "up"
  | "invite"
  | "join"
  | "approve"
  | "leave"
  | "down"
  | "status"
  | "peers"
  | "agents"
  | "call"
  | "task"
  | "tasks"
  | "send"
  | "messages"
  | "artifact"
  | "state"
  | "maintenance"
  | "watch"
  | "demo"
  | "config"
  | "doctor"
  | "version";

interface CommandText {
  readonly name: CommandName;
  readonly examples: readonly string[];
}

function command(program: Command, context: CliContext, { name, examples }: CommandText): Command {
  const lines = examples.map((example) => `  $ ${example}`);
  return program
    .command(name)
    .description(context.text(`${name}.about`))
    .helpOption("-h, --help", context.text("option.help"))
    .addHelpText("after", `\n${context.text("help.examples")}\n${lines.join("\n")}`);
}

const TITLES: Readonly<Record<string, TextKey>> = {
  "Usage:": "help.usage",
  "Options:": "help.options",
  "Commands:": "help.commands",
  "Arguments:": "help.arguments",
  "Global Options:": "help.globalOptions",
};

function translatedTitle(context: CliContext, title: string): string {
  const key = TITLES[title];
  return context.colors.bold(key === undefined ? title : context.text(key));
}
