//! TCP mode: a member for every connection, bytes in both directions.

use tokio::net::TcpStream;

use super::connection::connect;
use super::table::Routes;
use super::tunnel::carry;

/// Connects a client to a member, trying each member once, and carries what they say.
pub(super) async fn serve(client: TcpStream, routes: &Routes) {
    let mut tried = Vec::new();
    while let Some(in_flight) = routes.pick(&tried) {
        let backend = in_flight.backend();
        match connect(backend.address).await {
            Ok(member) => {
                backend.tally.count_served();
                return carry(client, member, &in_flight).await;
            }
            Err(_) => {
                backend.tally.count_retried();
                tried.push(backend.clone());
            }
        }
    }
    match tried.last() {
        Some(backend) => backend.tally.count_failed(),
        None => routes.count_unroutable(),
    }
}
