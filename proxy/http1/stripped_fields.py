"""Fields of a request that are not passed on: from them some upstream would take another path,
another method, another client or an identity, which only the gateway may say. Pure.

The rule that lives here: each name is here because a server, a framework or a proxy reads it, and
the table says which. `*` at the end of a name stands for any end. Names are folded
(`grammar.fold`), so that each stands for all its spellings. `strip_headers` in the configuration
adds to them.

Fields that only mark a request are passed on: traceparent, tracestate, baggage, b3, X-B3-*,
X-Amzn-Trace-Id, X-Cloud-Trace-Context, X-Correlation-Id. So are those with which a client itself
asks for something: X-Api-Key, X-Auth-Token, X-Amz-*, X-Goog-* and X-Ms-* but for the names below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from proxy.http1.grammar import fold

_READERS: Final = {
    # --- the path, and the environment in it ---
    "IIS (URL Rewrite, ISAPI_Rewrite), Symfony's and Laminas' Request": "x-rewrite-url",
    "the same, ASP.NET Core (ForwardedHeadersMiddleware), ingress-nginx": "x-original-*",
    "Azure App Service": "x-waws-* disguised-host was-default-hostname",
    "gunicorn (http/wsgi.py), CGI": "script-name path-info path-translated request-uri",
    "WSGI applications behind a prefix": "x-script-name",
    "daphne": "daphne-root-path",
    "Pyramid (traversal.py, HTTP_X_VHM_ROOT), Zope and repoze.vhm": "x-vhm-*",
    "Plack::Middleware::ReverseProxyPath, WSGIProxy": "x-traversal-path",
    "Catalyst (ProxyBase), Mojolicious applications": "x-request-base",
    "Next.js (base-server.ts)": "x-matched-path x-now-route-matches x-invoke-*",
    "Next.js (CVE-2025-29927)": "x-middleware-*",
    "Traefik (ReplacePath)": "x-replaced-path",
    "Envoy (x-envoy-original-path, -external-address, -internal …)": "x-envoy-*",
    "Rack (Sendfile), for the path of a file": "x-sendfile-type x-accel-mapping",
    "Rancher 1.x, which takes the environment from it": "x-api-project-id",
    # --- the method ---
    "Rack, Symfony, Express, WCF": "x-http-method x-http-method-override x-method-override",
    # --- the client, and how it connected ---
    "RFC 7239 and what it replaced": "forwarded x-forwarded x-forwarded-* x-real-ip client-ip",
    "load balancers": "x-client-ip x-cluster-client-ip proxy-client-ip x-host",
    "Akamai, Cloudflare": "true-client-ip cf-connecting-*",
    "Fastly, Fly.io": "fastly-client-ip fly-client-ip",
    "Azure Front Door": "x-azure-clientip x-azure-socketip x-azure-fdid",
    "WebLogic (WL-Proxy-Client-IP, -Client-Cert, -SSL …)": "wl-proxy-*",
    "WebSphere's plug-in ($WSRU: the user, $WSCC: the certificate …); `$` folds to a dash": "-ws*",
    "Jetty (ForwardedRequestCustomizer)": "x-proxied-https proxy-ssl-id proxy-auth-cert",
    "tornado, Yii, Exchange": "x-scheme x-url-scheme front-end-https",
    "CGI, as HTTP_PROXY, in which programs look for their own proxy (httpoxy)": "proxy",
    # --- the client's certificate ---
    "RFC 9440": "client-cert client-cert-*",
    "Tomcat (SSLValve), Undertow (SSLHeaderHandler), ingress-nginx": "ssl-*",
    "Apache httpd and HAProxy, as often configured": "x-ssl-* x-tls-client-* x-client-cert*",
    "nginx, as often configured": "x-client-dn x-client-verify",
    "IIS (X-ARR-ClientCert), AWS ALB": "x-arr-* x-amzn-mtls-*",
    # --- the user ---
    "CGI (REMOTE_USER), Authelia (Remote-Groups …)": "remote-*",
    "Kubernetes' aggregation layer (X-Remote-User, -Group, -Extra-*)": "x-remote-*",
    "Kubernetes (Impersonate-User, -Group, -Uid, -Extra-*)": "impersonate-*",
    "ASP.NET Core Module, iisnode": "ms-aspnetcore-* x-iisnode-*",
    "Azure App Service (EasyAuth)": "x-ms-client-principal* x-ms-token-*",
    "AWS ALB": "x-amzn-oidc-*",
    "Lambda Web Adapter": "x-amzn-request-context x-amzn-lambda-context",
    "serverless-express": "x-apigateway-*",
    "Google's IAP": "x-goog-authenticated-user-* x-goog-iap-*",
    "Google's App Engine and Endpoints": "x-appengine-* x-endpoint-api-userinfo",
    "Cloudflare Access": "cf-access-jwt-assertion cf-access-authenticated-user-email",
    "oauth2-proxy, authentik": "x-auth-request-* x-authentik-*",
    "Pomerium, Vouch": "x-pomerium-* x-vouch-*",
    "Grafana and Gitea": "x-webauth-*",
    "Tailscale Serve, Teleport": "tailscale-* teleport-jwt-assertion",
    "Kong": "x-consumer-* x-anonymous-consumer x-credential-identifier x-credential-username",
    "Kong, APISIX, WSO2": "x-authenticated-* x-userinfo x-jwt-assertion",
    "Shibboleth": "shib-* eppn",
    "mod_auth_openidc, mod_auth_mellon, mod_auth_cas": "oidc-* mellon-* cas-user",
    "SiteMinder, WebSEAL, Oracle Access Manager": "sm-* iv-* oam-* osso-*",
    "Rancher 1.x": "x-api-account-*",
    # --- the gateway's own ---
    "every upstream": "x-wardgate-*",
}
"""Who reads them → names."""
STRIPPED: Final = frozenset(" ".join(_READERS.values()).split())
"""All of them."""


def matcher(names: Iterable[str]) -> Callable[[bytes], bool]:
    """Whether a folded name is one of `names`, of which some end with `*`."""
    folded = [(fold(name.rstrip("*").encode()), name.endswith("*")) for name in names]
    whole = frozenset(name for name, starts in folded if not starts)
    prefixes = tuple(name for name, starts in folded if starts)
    return lambda name: name in whole or name.startswith(prefixes)
