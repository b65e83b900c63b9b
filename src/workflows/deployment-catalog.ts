import type { Deployment } from '../model/deployment.ts';
import { APP_NAME, type AppName, type FunctionVersion } from '../model/function.ts';
import type { LiveApps } from '../ports/live-apps.ts';
import type { DeploymentCatalog, WorkflowCatalog, WorkflowTarget } from '../ports/workflow-catalog.ts';

/** Prepared deployments that are kept. */
const PREPARED_MAX = 256;

/** Finds workflows and their functions in deployments, live or not. */
export function createDeploymentCatalog(liveApps: LiveApps): WorkflowCatalog {
  const prepared = new Map<Deployment, DeploymentCatalog>();
  const byNumber = new Map<string, DeploymentCatalog>();
  const prepare = (deployment: Deployment): DeploymentCatalog => {
    const known = prepared.get(deployment);
    if (known !== undefined) return known;
    if (prepared.size >= PREPARED_MAX) {
      prepared.clear();
      byNumber.clear();
    }
    const catalog = prepareDeployment(deployment);
    prepared.set(deployment, catalog);
    byNumber.set(`${deployment.app}/${deployment.number}`, catalog);
    return catalog;
  };
  // Numbers begin anew when an app is removed and deployed again.
  liveApps.subscribe((app, entry) => {
    if (entry === undefined)
      for (const key of byNumber.keys()) if (key.startsWith(`${app}/`)) byNumber.delete(key);
  });
  return {
    live(app, workflow) {
      const resolved = liveApps.resolve(app, workflow as FunctionVersion['name']);
      return resolved?.version.config.workflow === true
        ? targetOf(resolved.version, resolved.deployment)
        : undefined;
    },
    names(app) {
      const functions = liveApps.find(app)?.deployments.flatMap((each) => each.functions) ?? [];
      return [...new Set(functions.filter((each) => each.config.workflow === true).map((each) => each.name))];
    },
    known(app, number) {
      const live = liveApps.find(app)?.deployments.find((each) => each.number === number);
      return live === undefined ? byNumber.get(`${app}/${number}`) : prepare(live);
    },
    async deployment(app, number) {
      // State machines of the AWS API belong to no app.
      if (!APP_NAME.test(app)) return undefined;
      const deployment = await liveApps.preview(app, number);
      return deployment === undefined ? undefined : prepare(deployment);
    },
  };
}

function prepareDeployment({ number, functions }: Deployment): DeploymentCatalog {
  const byName = new Map<string, FunctionVersion>(functions.map((each) => [each.name, each]));
  return {
    workflow(name) {
      const version = byName.get(name);
      return version?.config.workflow === true ? targetOf(version, number) : undefined;
    },
    function: (name) => byName.get(name),
  };
}

function targetOf(version: FunctionVersion, deployment: number): WorkflowTarget {
  return {
    app: version.app as AppName,
    workflow: version.name,
    kind: version.runtime === 'asl' ? 'asl' : 'code',
    version: version.id,
    deployment,
  };
}
