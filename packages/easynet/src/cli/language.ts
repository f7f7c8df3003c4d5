export type Language = "en" | "zh";

type Environment = Readonly<Record<string, string | undefined>>;

/** `--lang` before EASYNET_LANG before the locale; what is neither Chinese nor English becomes English. */
export function languageFrom(args: readonly string[], env: Environment): Language {
  const named = flagValue(args) ?? env["EASYNET_LANG"];
  const locale = named || env["LC_ALL"] || env["LC_MESSAGES"] || env["LANG"] || "";
  return locale.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** The value of `--lang zh` or `--lang=zh`, found before the command line is parsed: its errors need a language too. */
function flagValue(args: readonly string[]): string | undefined {
  const index = args.findIndex((arg) => arg === "--lang" || arg.startsWith("--lang="));
  const flag = index < 0 ? undefined : args[index];
  return flag?.includes("=") ? flag.slice("--lang=".length) : flag && args[index + 1];
}
