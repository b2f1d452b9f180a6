//! Where credentials come from that the server lends: addresses that are never reached for anything else.

/// Where what the server lends comes from, and how its paths begin: instances of AWS, Google and Azure,
/// containers of ECS and pods of EKS, and Azure's tokens.
const LENDERS: [(&str, &str); 7] = [
    ("http://169.254.169.254", "/latest/api/token"),
    (
        "http://169.254.169.254",
        "/latest/meta-data/iam/security-credentials",
    ),
    (
        "http://169.254.169.254",
        "/computeMetadata/v1/instance/service-accounts/",
    ),
    ("http://169.254.169.254", "/metadata/identity/oauth2/token"),
    ("http://169.254.170.2", "/v"),
    ("http://169.254.170.23", "/v1/credentials"),
    ("https://login.microsoftonline.com", "/"),
];

/// Whether credentials are fetched there.
pub(super) fn is_lender(uri: &str) -> bool {
    let Ok(url) = uri.parse::<reqwest::Url>() else {
        return false;
    };
    LENDERS.iter().any(|(origin, path)| {
        url.origin().ascii_serialization() == *origin && url.path().starts_with(path)
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Patience, Reach};

    #[test]
    fn credentials_are_fetched_where_the_server_lends_its_own() {
        let guard = |lent| {
            let guard = Reach::default().connector(Patience::default(), lent);
            guard.expect("a client")
        };
        let (own, lent) = (guard(false), guard(true));
        for uri in [
            "http://169.254.169.254/latest/api/token",
            "http://169.254.169.254/latest/meta-data/iam/security-credentials/role",
            "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",
            "http://169.254.169.254/metadata/identity/oauth2/token?resource=x",
            "http://169.254.170.2/v2/credentials/abc",
            "http://169.254.170.23/v1/credentials",
            "https://login.microsoftonline.com/tenant/oauth2/v2.0/token",
        ] {
            assert!(lent.may_call(uri), "{uri}");
            // A service account of a statement names the server that is asked for files.
            assert!(!own.may_call(uri), "{uri}");
        }
        for uri in [
            "http://169.254.169.254/latest/user-data",
            "http://169.254.169.254/computeMetadata/v1/instance/attributes/x",
            "http://169.254.169.254:8080/latest/api/token",
            "http://169.254.170.2:81/v2/credentials/abc",
            "http://169.254.170.3/v2/credentials/abc",
            "http://login.microsoftonline.com/tenant",
        ] {
            assert!(!lent.may_call(uri), "{uri}");
        }
    }
}
