"""The sandbox: emulators of HubSpot, LinkHub, Convex and an OIDC issuer, on loopback."""
