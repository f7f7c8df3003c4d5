import type { CliContext } from "../cli-context.ts";

export async function config(context: CliContext, options: { readonly explain?: boolean }): Promise<void> {
  const { environmentName, loadConfig } = await import("../../node/index.ts");
  const loaded = loadConfig({ flags: { home: context.homeFlag }, env: context.io.env });
  const settings = Object.entries(loaded.origin).map(([key, origin]) => ({
    key,
    value: Object.entries(loaded.value).find(([name]) => name === key)?.[1],
    origin,
    variable: environmentName(key),
  }));
  if (context.json) {
    context.printJson({ file: loaded.file, settings });
    return;
  }
  const shown = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? "–"));
  if (options.explain !== true) {
    context.printTable(
      ["column.setting", "column.value"],
      settings.map(({ key, value }) => [key, shown(value)]),
    );
    return;
  }
  context.printTable(
    ["column.setting", "column.value", "column.origin", "column.variable"],
    settings.map(({ key, value, origin, variable }) => [
      key,
      shown(value),
      context.text(`config.origin.${origin}`),
      variable,
    ]),
  );
  context.say(context.text("config.file", { file: loaded.file }));
}
