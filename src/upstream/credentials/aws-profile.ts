// A profile in ~/.aws/credentials or ~/.aws/config (AWS SDKs and Tools Reference Guide, "Shared config and credentials
// files"): keys written there, or a `credential_process` that prints them.
import { homedir } from "node:os";
import { join } from "node:path";
import { type AwsKeys, neverExpires, readAwsKeys, toAwsKeys } from "./aws-keys.ts";
import { type CredentialParts, credentialFailure, type Dated, type Source } from "./credential-parts.ts";
import { FileSource } from "./file-source.ts";
import { RenewedSource } from "./renewed-source.ts";
import { runCommand } from "./run-command.ts";

/** How long keys from a file are used before the file is looked at again. */
const fileKeysLifeMs = 10_000;

export function createProfileSource(profile: string, parts: CredentialParts): Source<AwsKeys> {
  const { env } = parts;
  const folder = join(env["HOME"] ?? homedir(), ".aws");
  const credentials = new FileSource(env["AWS_SHARED_CREDENTIALS_FILE"] ?? join(folder, "credentials"), parts.nowMs);
  const config = new FileSource(env["AWS_CONFIG_FILE"] ?? join(folder, "config"), parts.nowMs);
  return new RenewedSource(async () => {
    const settings = {
      ...sectionOf(textOf(config), profile === "default" ? "default" : `profile ${profile}`),
      ...sectionOf(textOf(credentials), profile),
    };
    return readKeys(settings, profile, parts);
  }, parts);
}

/** Either file may be absent. */
function textOf(file: FileSource): string {
  try {
    return file.get();
  } catch {
    // Said below, once neither has the profile.
    return "";
  }
}

async function readKeys(settings: Section, profile: string, parts: CredentialParts): Promise<Dated<AwsKeys>> {
  const { aws_access_key_id: id, aws_secret_access_key: secret, aws_session_token: token } = settings;
  if (id !== undefined && secret !== undefined) {
    return { ...toAwsKeys(id, secret, token, undefined), expiresAtMs: parts.nowMs() + fileKeysLifeMs };
  }
  const command = settings["credential_process"];
  if (command === undefined) {
    throw credentialFailure(`the AWS profile "${profile}" has neither an access key nor a credential_process`);
  }
  const { value, expiresAtMs } = readAwsKeys(await runCommand(toWords(command), parts.env));
  return { value, expiresAtMs: expiresAtMs === neverExpires ? parts.nowMs() + fileKeysLifeMs : expiresAtMs };
}

type Section = Readonly<Record<string, string>>;

/** Keys and values of one section of an INI file. */
function sectionOf(text: string, name: string): Section {
  const section: Record<string, string> = {};
  let inside = false;
  for (const line of text.split(/\r?\n/)) {
    const header = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1];
    if (header !== undefined) inside = header === name;
    const pair = /^([\w-]+)\s*=\s*(.*?)\s*$/.exec(line);
    if (inside && pair?.[1] !== undefined && pair[2] !== undefined) section[pair[1]] = pair[2];
  }
  return section;
}

/** Words of a command line; double quotes hold one together. */
function toWords(command: string): readonly string[] {
  return Array.from(command.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? "");
}
