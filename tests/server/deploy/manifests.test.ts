/** What the files for containers and Kubernetes say, held against what the program takes and answers. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Command } from 'commander';
import { loadAll } from 'js-yaml';
import { databaseUrlVariable } from '../../../editing/stream/database-url.ts';
import { serve } from '../../../server/cli/serve.ts';
import { adminKeyVariable } from '../../../server/keys/errors.ts';
import { packageRoot, packageVersion } from '../../../server/paths.ts';
import { checkRole, type Role } from '../../../server/replication/role.ts';
import { routes } from '../../../server/routes/index.ts';
import { allocator } from '../fuzz/allocator.ts';

const deploy = join(packageRoot, 'server', 'deploy');

interface Container {
  readonly image: string;
  readonly args: string[];
  readonly env: {
    readonly name: string;
    readonly valueFrom: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
  }[];
  readonly ports: { readonly name: string; readonly containerPort: number }[];
  readonly livenessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
  readonly readinessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
  readonly securityContext: { readonly readOnlyRootFilesystem: boolean };
  readonly volumeMounts: { readonly name: string; readonly mountPath: string }[];
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas?: number;
    readonly selector: Record<string, string> & { readonly matchLabels?: Record<string, string> };
    readonly template: {
      readonly metadata: { readonly labels: Record<string, string> };
      readonly spec: { readonly containers: [Container]; readonly volumes: { readonly name: string }[] };
    };
    readonly volumeClaimTemplates?: { readonly metadata: { readonly name: string } }[];
    readonly ports: { readonly targetPort: string }[];
    readonly scaleTargetRef: { readonly kind: string; readonly name: string };
  };
}

const manifests = readdirSync(join(deploy, 'kubernetes')).flatMap(
  (file) => loadAll(readFileSync(join(deploy, 'kubernetes', file), 'utf8')) as Manifest[],
);
const ofKind = (kind: string): Manifest[] => manifests.filter((manifest) => manifest.kind === kind);
const workloads = [...ofKind('StatefulSet'), ...ofKind('Deployment')];

/** The options of `serve` as a command line gives them. @throws what commander throws */
function parsed(args: readonly string[]): Record<string, unknown> {
  const program = new Command().exitOverride();
  serve(program, () => undefined);
  const [command] = program.commands;
  command.exitOverride().action(() => undefined);
  program.parse(args, { from: 'user' });
  return command.opts();
}

describe('Kubernetes manifests', () => {
  it('start one editor that keeps its data folder, and searchers that an autoscaler counts', () => {
    const [editor] = ofKind('StatefulSet');
    assert.equal(editor.spec.replicas, 1);
    assert.deepEqual(
      editor.spec.volumeClaimTemplates!.map(({ metadata }) => metadata.name),
      ['data'],
    );
    const [searcher] = ofKind('Deployment');
    assert.equal(searcher.spec.replicas, undefined);
    const [{ spec }] = ofKind('HorizontalPodAutoscaler');
    assert.deepEqual([spec.scaleTargetRef.kind, spec.scaleTargetRef.name], ['Deployment', searcher.metadata.name]);
  });

  for (const { kind, metadata, spec } of workloads)
    describe(`${kind} ${metadata.name}`, () => {
      const { labels } = spec.template.metadata;
      const { containers, volumes } = spec.template.spec;
      const [container] = containers;
      const options = parsed(container.args);

      it('gives options that serve takes, of the role that it is labelled with', () => {
        assert.equal(options.role, labels.role);
        checkRole(options.role as Role, 'postgres://host/database');
        assert.equal(options.host, '0.0.0.0');
        assert.equal(container.image, `palimpsest:${packageVersion}`);
      });

      it('listens on the port that probes and services ask', () => {
        const [{ name, containerPort }] = container.ports;
        assert.equal(options.port, containerPort);
        assert.deepEqual(container.livenessProbe.httpGet, { path: '/livez', port: name });
        assert.deepEqual(container.readinessProbe.httpGet, { path: '/readyz', port: name });
        for (const { path } of [container.livenessProbe.httpGet, container.readinessProbe.httpGet])
          assert.ok(routes.some((route) => route.path === path));
        const services = ofKind('Service').filter(({ spec: { selector } }) => selector.role === labels.role);
        assert.equal(services.length, 1);
        assert.deepEqual(services[0].spec.selector, labels);
        assert.deepEqual(spec.selector.matchLabels, labels);
        assert.equal(services[0].spec.ports[0].targetPort, name);
      });

      it('takes secrets from a secret, and writes into volumes alone', () => {
        const names = container.env.map(({ name }) => name);
        assert.deepEqual(names, [databaseUrlVariable, adminKeyVariable]);
        for (const { valueFrom } of container.env) assert.equal(valueFrom.secretKeyRef.name, 'palimpsest');
        assert.ok(container.securityContext.readOnlyRootFilesystem);
        const mounted = new Map(container.volumeMounts.map((mount) => [mount.mountPath, mount.name]));
        const known = [...volumes, ...(spec.volumeClaimTemplates ?? []).map((claim) => claim.metadata)];
        for (const path of [options.data as string, '/tmp'])
          assert.ok(
            known.some(({ name }) => name === mounted.get(path)),
            path,
          );
      });
    });
});

describe('Containerfile', () => {
  const lines = readFileSync(join(deploy, 'Containerfile'), 'utf8').split('\n');
  const arrayOf = (instruction: string): string[] =>
    JSON.parse(lines.find((line) => line.startsWith(`${instruction} [`))!.slice(instruction.length)) as string[];

  it('starts serve with options that it takes, on the port that it exposes', () => {
    const options = parsed(arrayOf('CMD'));
    assert.ok(lines.includes(`EXPOSE ${String(options.port)}`));
    assert.ok(lines.includes(`VOLUME ${String(options.data)}`));
    assert.deepEqual(arrayOf('ENTRYPOINT'), ['node', 'dist/server/cli/main.js']);
  });

  it('has the C library give memory back, as the fuzzed server does', () => {
    const set = lines.filter((line) => line.startsWith('ENV ')).flatMap((line) => line.split(' ').slice(1));
    for (const [name, value] of Object.entries(allocator)) assert.ok(set.includes(`${name}=${value}`), name);
  });

  it('copies files that there are, and all that the package runs from', () => {
    const copied = lines.flatMap((line) => /^COPY --from=build \/app\/(\S+)/.exec(line)?.[1] ?? []);
    const made = ['dist', 'node_modules'];
    for (const path of copied) assert.ok(made.includes(path) || existsSync(join(packageRoot, path)), path);
    for (const path of ['package.json', 'models/builtin', 'corpus/builtin', ...made]) assert.ok(copied.includes(path));
    for (const file of ['package.json', 'package-lock.json', '.npmrc']) assert.ok(existsSync(join(packageRoot, file)));
  });
});
