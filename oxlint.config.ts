import { defineConfig, type OxlintOverride } from "oxlint";
import { LAYERS, PURE_FILES, PURE_FOLDERS } from "./scripts/layers.ts";

const SOURCE = "packages/easynet/src";

function importRules(folder: string, row: number): OxlintOverride {
  const own = LAYERS[row] ?? [];
  const forbidden = [...own.filter((name) => name !== folder), ...LAYERS.slice(row + 1).flat(), "testing"].join("|");
  const lower = LAYERS.slice(0, row).flat().join("|");
  const patterns = [
    { regex: `^(\\.\\./)+(${forbidden})/`, message: `${folder}/ may not import this folder: docs/architecture.md` },
  ];
  if (lower) {
    patterns.push({
      regex: `^(\\.\\./)+(${lower})/(?!index\\.ts$)`,
      message: "import another folder through its index.ts",
    });
  }
  if (PURE_FOLDERS.includes(folder)) {
    patterns.push({ regex: "^node:(?!crypto$)", message: `${folder}/ does no I/O: take a port from kernel/` });
  }
  return {
    files: [`${SOURCE}/${folder}/**/*.ts`],
    excludeFiles: ["**/*.test.ts"],
    rules: { "no-restricted-imports": ["error", { patterns }] },
  };
}

const pureRules: OxlintOverride = {
  files: [
    ...PURE_FOLDERS.map((folder) => `${SOURCE}/${folder}/**/*.ts`),
    ...PURE_FILES.map((file) => `${SOURCE}/**/${file}`),
  ],
  excludeFiles: ["**/*.test.ts"],
  rules: {
    "no-restricted-globals": ["error", "Date", "performance", "setTimeout", "setInterval", "setImmediate", "fetch"],
    "no-restricted-properties": ["error", { object: "Math", property: "random", message: "take Random from kernel/" }],
  },
};

export default defineConfig({
  plugins: ["typescript", "unicorn", "oxc", "import", "promise", "node", "vitest", "jsdoc"],
  options: { typeAware: true },
  categories: { correctness: "error", suspicious: "error" },
  rules: {
    "import/no-cycle": "error",
    "import/no-unassigned-import": "off",
    "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
    "max-lines-per-function": ["error", { max: 70, skipBlankLines: true, skipComments: true }],
    "max-params": ["error", { max: 3 }],
    "jsdoc/require-param": "off",
    "jsdoc/require-returns": "off",
    "jsdoc/require-yields": "off",
    "no-await-in-loop": "off",
    "no-console": "error",
    "no-shadow": "error",
    "no-underscore-dangle": "off",
    "promise/always-return": "off",
    "typescript/consistent-type-imports": "error",
    "typescript/explicit-module-boundary-types": "error",
    "typescript/no-explicit-any": "error",
    "typescript/no-floating-promises": "error",
    "typescript/switch-exhaustiveness-check": "error",
    "unicorn/consistent-function-scoping": "off",
    "unicorn/filename-case": ["error", { case: "kebabCase" }],
    "unicorn/no-array-sort": "off",
    "unicorn/prefer-add-event-listener": "off",
    "unicorn/require-post-message-target-origin": "off",
  },
  ignorePatterns: ["**/dist/**", "**/node_modules/**"],
  overrides: [
    ...LAYERS.flatMap((row, index) => row.map((folder) => importRules(folder, index))),
    pureRules,
    // Whoever calls a remote function names the type of its answer; nothing can derive it.
    { files: [`${SOURCE}/sdk/**`], rules: { "typescript/no-unnecessary-type-parameters": "off" } },
    { files: ["bench/**", "suites/**", "scripts/**", "test/**", "examples/**"], rules: { "no-console": "off" } },
    {
      files: ["**/*.test.ts", "**/*.sim.test.ts", "test/**", "packages/easynet/src/testing/**"],
      rules: {
        "max-lines-per-function": "off",
        "typescript/no-non-null-assertion": "off",
        "typescript/explicit-module-boundary-types": "off",
      },
    },
  ],
});
