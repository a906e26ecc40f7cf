// node lint.mjs FILE: checks an OpenAPI description and its examples. What is found is printed, and fails.
import { createConfig, formatProblems, getTotals, lint } from "@redocly/openapi-core";

// A schema that allows no other fields says so; left alone, the rules would add that to the parts of an if as well.
const examples = { severity: "error", allowAdditionalProperties: true };
const config = await createConfig({
  extends: ["recommended-strict"],
  rules: {
    "info-license": "off",
    "no-invalid-media-type-examples": examples,
    "no-invalid-parameter-examples": examples,
    "no-invalid-schema-examples": examples,
    "operation-tag-defined": "error",
    "spec-components-invalid-map-name": "error",
  },
});
const problems = await lint({ ref: process.argv[2], config });

formatProblems(problems, { format: "codeframe", totals: getTotals(problems), maxProblems: 100 });
process.exitCode = problems.length === 0 ? 0 : 1;
