import { fileURLToPath } from 'node:url'
import { Duration, Size } from 'aws-cdk-lib'
import { Platform } from 'aws-cdk-lib/aws-ecr-assets'
import {
  AwsLogDriverMode,
  ContainerImage,
  CpuArchitecture,
  FargateTaskDefinition,
  LinuxParameters,
  LogDrivers,
  OperatingSystemFamily,
} from 'aws-cdk-lib/aws-ecs'
import type { Construct } from 'constructs'
import type { NetworkStack } from '../stacks/network.ts'
import { port, smallest, stopTimeoutS } from './settings.ts'

const app = fileURLToPath(new URL('../../app', import.meta.url))

interface TaskOptions {
  /** The container, and the prefix of its log streams. */
  readonly name: string
  /** The command, instead of that of the image. */
  readonly command?: string[]
  readonly environment?: Record<string, string>
  /** A job that takes no calls has no port and no health check. */
  readonly serves?: boolean
  /** Other than the smallest size. */
  readonly size?: { readonly cpu: number; readonly memoryMiB: number }
  /** A folder that can be written, at the root. */
  readonly volume?: string
}

/** One container of the example's image: small, ARM64, read-only, with a minute to leave. */
export function defineTask(
  scope: Construct,
  network: NetworkStack,
  { name, command, environment = {}, serves = true, size = smallest, volume }: TaskOptions,
): FargateTaskDefinition {
  const task = new FargateTaskDefinition(scope, 'Task', {
    cpu: size.cpu,
    memoryLimitMiB: size.memoryMiB,
    runtimePlatform: {
      cpuArchitecture: CpuArchitecture.ARM64,
      operatingSystemFamily: OperatingSystemFamily.LINUX,
    },
    executionRole: network.executionRole,
    ...(volume && { volumes: [{ name: volume }] }),
  })
  const container = task.addContainer(name, {
    image: ContainerImage.fromAsset(app, { platform: Platform.LINUX_ARM64 }),
    // Then Node is not process 1: the init process passes signals on, and reaps processes that ECS Exec leaves.
    linuxParameters: new LinuxParameters(scope, 'Linux', { initProcessEnabled: true }),
    user: 'node',
    readonlyRootFilesystem: true,
    stopTimeout: Duration.seconds(stopTimeoutS),
    environment: {
      ...(serves && { PORT: String(port) }),
      // The task metadata does not have the stopTimeout, so this variable passes it to onehop.
      ONEHOP_STOP_TIMEOUT_S: String(stopTimeoutS),
      ...environment,
    },
    logging: LogDrivers.awsLogs({
      logGroup: network.logGroup,
      streamPrefix: name,
      // Logs that cannot be delivered must not stop the service.
      mode: AwsLogDriverMode.NON_BLOCKING,
      maxBufferSize: Size.mebibytes(4),
    }),
    ...(command && { command }),
    ...(serves && {
      portMappings: [{ containerPort: port }],
      healthCheck: {
        // BusyBox's wget: a `node` every ten seconds would cost a small task several percent of its CPU.
        command: ['CMD', 'wget', '-q', '-O', '/dev/null', `http://127.0.0.1:${port}/ready`],
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        retries: 3,
        startPeriod: Duration.seconds(15),
      },
    }),
  })
  if (volume) container.addMountPoints({ sourceVolume: volume, containerPath: `/${volume}`, readOnly: false })
  return task
}
