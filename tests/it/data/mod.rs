//! Data the tests write: page views as a web-analytics product stores them. No expectations in
//! here.

pub mod events;
pub mod kinds;
pub mod literal;
pub mod pageview;
pub mod traffic;

pub use literal::literal;
pub use pageview::PageView;
