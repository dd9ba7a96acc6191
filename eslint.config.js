import tseslint from 'typescript-eslint';

// Imports point one way: corpus, models <- analysis <- editing <- server (DESIGN.md).
const forbid = (files, above) => ({
  files: [`${files}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: above.map((name) => ({ regex: `^(\\.\\./)+${name}/`, message: `${files}/ may not import ${name}/` })),
      },
    ],
  },
});

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'data/', 'tests/fixtures/'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['*.js', 'server/web/*.mjs'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['describe', 'it', 'test', 'suite'] },
          ],
        },
      ],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      eqeqeq: 'error',
    },
  },
  { files: ['*.js', 'server/web/**/*.js', 'server/web/*.mjs'], ...tseslint.configs.disableTypeChecked },
  forbid('corpus', ['models', 'analysis', 'editing', 'server']),
  forbid('models', ['analysis', 'editing', 'server']),
  forbid('analysis', ['editing', 'server']),
  forbid('editing', ['server']),
);
