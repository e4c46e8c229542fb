// RFC 3986 `URI`, with RFC 6874 zone identifiers, as protovalidate's `string.uri` has it. Checked by scanning for what may
// not be there, never by a pattern with nested repeats: a `data:` URI of many megabytes must stay linear.

const scheme = /^[A-Za-z][A-Za-z0-9+.-]*$/;
const brokenEscape = /%(?![0-9A-Fa-f]{2})/;
const notPathCharacter = /[^A-Za-z0-9._~!$&'()*+,;=:@/%-]/;
const notQueryCharacter = /[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]/;
const notUserInfoCharacter = /[^A-Za-z0-9._~!$&'()*+,;=:%-]/;
const notNameCharacter = /[^A-Za-z0-9._~!$&'()*+,;=%-]/;
const futureAddress = /^v[0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+$/;
const zone = /^(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+$/;

export function isUri(text: string): boolean {
  const colon = text.indexOf(":");
  if (colon < 0 || !scheme.test(text.slice(0, colon))) {
    return false;
  }
  const [beforeFragment, fragment] = splitAtFirst(text.slice(colon + 1), "#");
  const [hierarchy, query] = splitAtFirst(beforeFragment, "?");
  return (
    isHierarchy(hierarchy) && isMadeOf(query ?? "", notQueryCharacter) && isMadeOf(fragment ?? "", notQueryCharacter)
  );
}

function isHierarchy(text: string): boolean {
  if (!text.startsWith("//")) {
    return isMadeOf(text, notPathCharacter);
  }
  const slash = text.indexOf("/", 2);
  const authority = slash < 0 ? text.slice(2) : text.slice(2, slash);
  return isAuthority(authority) && (slash < 0 || isMadeOf(text.slice(slash), notPathCharacter));
}

function isAuthority(text: string): boolean {
  const at = text.lastIndexOf("@");
  if (at >= 0 && !isMadeOf(text.slice(0, at), notUserInfoCharacter)) {
    return false;
  }
  const hostAndPort = text.slice(at + 1);
  if (hostAndPort.startsWith("[")) {
    const close = hostAndPort.indexOf("]");
    return close > 0 && isAddressLiteral(hostAndPort.slice(1, close)) && isPortSuffix(hostAndPort.slice(close + 1));
  }
  const [host, port] = splitAtFirst(hostAndPort, ":");
  return isHostName(host) && isPortSuffix(port === undefined ? "" : `:${port}`);
}

function isPortSuffix(text: string): boolean {
  return text === "" || /^:[0-9]*$/.test(text);
}

function isAddressLiteral(text: string): boolean {
  if (futureAddress.test(text)) {
    return true;
  }
  const [address, zoneId] = splitAtFirst(text, "%25");
  return isIpv6(address) && (zoneId === undefined || zone.test(zoneId));
}

function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) {
    return false;
  }
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1) ?? "";
  const hasDottedEnd = last.includes(".");
  if (hasDottedEnd && !isIpv4(last)) {
    return false;
  }
  const hexGroups = hasDottedEnd ? groups.slice(0, -1) : groups;
  if (!hexGroups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) {
    return false;
  }
  const count = hexGroups.length + (hasDottedEnd ? 2 : 0);
  return halves.length === 2 ? count <= 7 : count === 8;
}

function isIpv4(text: string): boolean {
  const octets = text.split(".");
  return octets.length === 4 && octets.every((octet) => /^(?:0|[1-9][0-9]{0,2})$/.test(octet) && Number(octet) <= 255);
}

function isMadeOf(text: string, forbidden: RegExp): boolean {
  return !forbidden.test(text) && !brokenEscape.test(text);
}

/** A percent-coded host must be UTF-8 when decoded. */
function isHostName(text: string): boolean {
  if (!isMadeOf(text, notNameCharacter)) {
    return false;
  }
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    // A URIError: the escapes are not UTF-8, which is the answer.
    return false;
  }
}

function splitAtFirst(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
