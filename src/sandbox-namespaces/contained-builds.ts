/**
 * Tools of builds in the same walls as instances: namespaces, a root of their own, the filter, control groups, a user,
 * the proxy. What differs: they see the system's programs (`/usr`), and may write to their home and to what they make.
 *
 * Deliberately absent: Landlock, which knows only the two folders that instances write to.
 */
import type { InstanceId } from '../base/ids.ts';
import type { BuildListener, BuildSandbox, BuildTool } from '../ports/build-sandbox.ts';
import type { SpawnerClient } from '../spawner/spawner-client.ts';
import type { Egress, Launch } from '../spawner/spawner-protocol.ts';
import type { ToolUsers } from './tool-users.ts';

/** Descriptors inside: what the tool reads, and where its standard output goes. */
const INPUT_FD = 6;
const OUTPUT_FD = 3;

/** What the driver does for a tool as it does for an instance. */
export interface ToolEnclosing {
  readonly spawner: SpawnerClient;
  /** `undefined`: the platform is no root, and tools run as its own user. */
  readonly users: ToolUsers | undefined;
  /** All of a launch that is the driver's: the way in, the mounts, the groups. */
  enclose(id: InstanceId, tool: BuildTool, egress: Egress | undefined): Promise<EnclosedTool>;
}

export type EnclosedTool = Pick<Launch, 'folder' | 'stages' | 'controlGroups'> & {
  /** What is in front of the tool's own command. */
  readonly opening: readonly string[];
  readonly inputs: readonly (Uint8Array | string)[];
};

export class ContainedBuilds implements BuildSandbox {
  readonly #enclosing: ToolEnclosing;
  #started = 0;

  constructor(enclosing: ToolEnclosing) {
    this.#enclosing = enclosing;
  }

  async start(tool: BuildTool, listener: BuildListener): Promise<{ kill(): void }> {
    const { spawner, users } = this.#enclosing;
    this.#started += 1;
    const id = `build-${process.pid}-${this.#started}` as InstanceId;
    const egress: Egress | undefined = tool.network && {
      policy: 'internet',
      socket: 'egress',
      build: tool.network,
    };
    const { opening, inputs, ...enclosed } = await this.#enclosing.enclose(id, tool, egress);
    const uid = await users?.ownerOf(tool.home);
    const lent: string[] = [];
    const takeBack = async (): Promise<void> => {
      for (const folder of lent) await users?.takeBack(folder);
    };
    try {
      for (const path of [...tool.readPaths, tool.home, ...tool.writeDirs]) await users?.show(path);
      for (const folder of tool.writeDirs) {
        lent.push(folder);
        if (uid !== undefined) await users?.lend(folder, uid);
      }
      return await spawner.start(
        {
          ...{ id, ...enclosed, uid, egress, env: {}, contained: true },
          ...tool.limits,
          // Standard output goes another way than what programs print: all of it arrives, however much it is.
          command: [
            ...opening,
            '/bin/sh',
            '-c',
            `exec "$@" <&${INPUT_FD} ${INPUT_FD}<&- >&${OUTPUT_FD} ${OUTPUT_FD}>&-`,
            'tool',
            ...tool.command,
          ],
          inputs: [...inputs, Buffer.from(tool.input)],
        },
        {
          onData: (chunk) => listener.onOutput('stdout', chunk),
          onOutput: (stream, chunk) => listener.onOutput(stream, chunk),
          onExit: (exit) =>
            void takeBack().then(
              () => listener.onExit(exit),
              () => listener.onExit({ ...exit, code: null, signal: exit.signal ?? 'SIGKILL' }),
            ),
        },
      );
    } catch (thrown) {
      await takeBack();
      throw thrown;
    }
  }
}
