import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "coverage", "node_modules", ".standings", "**/*.js", "**/*.mjs"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "max-lines": ["error", { max: 300, skipBlankLines: true, skipComments: true }],
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      // Numbers, instants and ids in messages are what makes them useful.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // A name that begins with _ says that only the others of a destructuring are wanted, or only the disposal of a `using`.
      "@typescript-eslint/no-unused-vars": [
        "error",
        { argsIgnorePattern: "^_", varsIgnorePattern: "^_", ignoreRestSiblings: true },
      ],
      // The style of biome and of this code: index signatures are read with ["key"] where the compiler asks for it.
      "@typescript-eslint/dot-notation": "off",
    },
  },
  {
    // Every table in one file: their references are read side by side.
    files: ["db/schema.ts"],
    rules: { "max-lines": "off" },
  },
  {
    // Tests tell one long story a file; the limit guards what ships.
    files: ["test/**", "bench/**"],
    rules: { "max-lines": "off", "@typescript-eslint/no-non-null-assertion": "off" },
  },
);
